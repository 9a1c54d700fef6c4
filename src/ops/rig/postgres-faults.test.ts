import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPortTaken, isStillInUse, postgresFault } from './postgres-faults.ts'

const place = { directory: '/data/x', port: 5432 }

test('last words become one sentence with a remedy, and stay its cause', () => {
  const cases: [log: string, sentence: RegExp][] = [
    ['LOG:  starting\nPANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device', /^The disk that holds \/data\/x is full/],
    ['LOG:  could not bind IPv4 address "127.0.0.1": Address already in use\nFATAL:  could not create any TCP/IP sockets', /^Port 5432, which the database is to listen on, is in use/],
    ['FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use', /^Remains of an earlier Postgres still work in \/data\/x/],
    ['FATAL:  could not map anonymous shared memory: Cannot allocate memory', /^There is not enough memory/],
    ['FATAL:  0 is outside the valid range for parameter "max_connections" (1 .. 262143)', /setting max_connections/],
    ['initdb: error: could not look up effective user ID 1234: user does not exist', /^The user 1234 has no name on this machine/],
    ['PANIC:  could not locate a valid checkpoint record at 0/174B6E0', /^The database in \/data\/x is damaged/],
    ['postgres: error while loading shared libraries: libssl.so.1.1: cannot open shared object file', /^The embedded Postgres does not run on this system/],
    ['FATAL:  could not open log file: Permission denied', /^Postgres may not write all of \/data\/x/],
    ['LOG:  starting\nFATAL:  something new\nLOG:  shut down', /^Postgres did not start in \/data\/x \(something new\): correct that/],
    ['', /\(it said nothing\)/],
  ]
  for (const [log, sentence] of cases) {
    const { code, message, cause } = postgresFault(log, place)
    assert.equal(code, 'start')
    assert.match(message, sentence)
    assert.match(message, /^[^\n]+\.$/)
    assert.equal((cause as Error).message, log)
  }
})

test('what another try may mend is known', () => {
  assert.equal(isPortTaken('LOG:  could not bind IPv4 address "127.0.0.1": Address already in use'), true)
  assert.equal(isStillInUse('FATAL:  lock file "postmaster.pid" already exists'), true)
  assert.equal(isPortTaken('FATAL:  other') || isStillInUse('FATAL:  other'), false)
})
