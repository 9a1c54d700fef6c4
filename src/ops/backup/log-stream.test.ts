import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lsnText } from '../../base/index.ts'
import { createLagMarks } from './lag-marks.ts'
import { readMessage, statusMessage } from './log-stream.ts'
import { receiveFault } from './receive-faults.ts'
import { createAssembler } from './segments.ts'
import { storedUpTo, timelineAt } from './start-place.ts'
import { slotName } from './slot.ts'

const data = (start: bigint, bytes: string) => {
  const message = Buffer.alloc(25)
  message[0] = 0x77
  message.writeBigUInt64BE(start, 1)
  return Buffer.concat([message, Buffer.from(bytes)])
}

test('what a server sends is read; what is no part of a log is refused', () => {
  assert.deepEqual(readMessage(data(0x16_b374_d848n, 'log')), { kind: 'data', start: 0x16_b374_d848n, bytes: Buffer.from('log') })
  const alive = Buffer.alloc(18)
  ;[alive[0], alive[17]] = [0x6b, 1]
  assert.deepEqual(readMessage(alive), { kind: 'alive', wantsAnswer: true })
  for (const garbage of [Buffer.alloc(0), Buffer.from('HTTP/1.1 400 Bad Request'), data(0n, ''), alive.subarray(0, 17), Buffer.alloc(18, 0xff)]) assert.throws(() => readMessage(garbage), { code: 'backup', message: /are no part of a log/ })
})

test('a status says what was written and stored, when, and nothing of a replay', () => {
  const message = statusMessage({ written: 5n, stored: 3n, nowMs: Date.UTC(2000, 0, 1, 0, 0, 1), wantsAnswer: true })
  assert.equal(message.toString('hex'), `72${'5'.padStart(16, '0')}${'3'.padStart(16, '0')}${'0'.repeat(16)}${(1_000_000).toString(16).padStart(16, '0')}01`)
  assert.deepEqual([0n, 0x16_b374_d848n, 0xffff_ffff_ffff_ffffn].map(lsnText), ['0/0', '16/B374D848', 'FFFFFFFF/FFFFFFFF'])
})

test('segments are whole, however the pieces fall', () => {
  for (const piece of [1, 3, 8, 11, 64]) {
    const assembler = createAssembler({ timeline: 2, lsn: 0x1_0000_0000n - 16n, segmentBytes: 8 })
    const bytes = Buffer.from(Array.from({ length: 29 }, (_, index) => index))
    const made = Array.from({ length: Math.ceil(29 / piece) }, (_, index) => assembler.add(bytes.subarray(index * piece, (index + 1) * piece))).flat()
    assert.deepEqual(made.map(({ name, end, content }) => [name, end, content.join()]), [
      ['00000002000000001FFFFFFE', 0xffff_fff8n, '0,1,2,3,4,5,6,7'], ['00000002000000001FFFFFFF', 0x1_0000_0000n, '8,9,10,11,12,13,14,15'], ['000000020000000100000000', 0x1_0000_0008n, '16,17,18,19,20,21,22,23'],
    ])
  }
})

test('it goes on behind what is stored of the way that the server went', () => {
  const log = { names: new Set(['000000010000000000000003', '000000010000000000000004', '000000010000000000000005', '000000020000000000000004', '000000030000000000000001', '00000002.history']), ancestors: new Map() }
  const way = { timeline: 2, ancestors: [{ timeline: 1, leftAt: '0/4800000' }] }
  const size = 2 ** 24
  assert.equal(lsnText(storedUpTo(log, way, size) ?? 0n), '0/5000000', 'what the old primary wrote beyond does not count')
  assert.equal(lsnText(storedUpTo({ ...log, names: new Set(['000000010000000000000003', '000000010000000000000004']) }, way, size) ?? 0n), '0/4000000', 'nor a segment in which it was left')
  assert.equal(storedUpTo(log, { timeline: 4, ancestors: [] }, size), undefined)
  assert.deepEqual([0x300_0000n, 0x400_0000n, 0x480_0000n, 0x500_0000n].map((lsn) => timelineAt(way, lsn)), [1, 1, 2, 2])
})

test('how long the oldest has waited outlives a broken connection', () => {
  const marks = createLagMarks()
  marks.begin(100n)
  assert.deepEqual([marks.since(), marks.bytes()], [undefined, 0])
  marks.reached(150n, 10)
  marks.reached(180n, 20)
  marks.stored(150n)
  assert.deepEqual([marks.since(), marks.bytes(), marks.upTo], [20, 30, 150n])
  marks.begin(140n)
  assert.deepEqual([marks.since(), marks.bytes()], [20, 0])
  for (let lsn = 141n; lsn < 5_000n; lsn++) marks.reached(lsn, Number(lsn))
  assert.equal(marks.since(), 20)
  marks.stored(5_000n)
  assert.equal(marks.since(), undefined)
})

test('what a server refuses is told with its remedy', () => {
  const said: [string, RegExp][] = [
    ['permission denied to start WAL sender', /^The user of the backup may not replicate: run alter role .* provider/],
    ['must be superuser or replication role to use replication slots', /may not replicate/],
    ['permission denied for function pg_switch_wal', /grant execute on function pg_switch_wal\(\)/],
    ['no pg_hba.conf entry for replication connection from host "10.0.0.1", user "x", no encryption', /add the line "hostssl replication USER ADDRESS scram-sha-256" to its pg_hba\.conf/],
    ['all replication slots are in use', /raise max_replication_slots/],
    ['number of requested standby connections exceeds "max_wal_senders" (currently 2)', /raise max_wal_senders/],
    ['replication slots can only be used if "wal_level" >= "replica"', /set wal_level = replica/],
    ['socket hang up', /^The connection that brings the log broke \(socket hang up\)/],
  ]
  for (const [message, sentence] of said) assert.match(receiveFault(new Error(message)).message, sentence)
})

test('each database of a cluster has a slot of its own, by a name that Postgres takes', () => {
  assert.deepEqual(['shop', 'My-Shop', 'x'.repeat(80)].map(slotName), ['tenfold_log_shop', 'tenfold_log_my_shop', `tenfold_log_${'x'.repeat(51)}`])
})
