import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { runCommand, waitFor } from '../../base/process.ts'
import type { PostgresAddress } from './base-backup.ts'
import { type PostgresServer, startPostgres } from './postgres.ts'
import { cloneAsStandby, startStandby } from './standby.ts'

const settings = { shared_buffers: '16MB' }

async function connected<T>(server: PostgresAddress, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, user, password } = server
  const client = new pg.Client({ host, port, user, password, database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const ask = (server: PostgresAddress, text: string) => connected(server, async (client) => (await client.query<unknown[]>({ text, rowMode: 'array' })).rows.flat())

describe('a standby', () => {
  let parent = ''
  let primary: PostgresServer
  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'tenfold-standby-'))
    primary = await startPostgres({ directory: join(parent, 'primary'), durable: false, settings })
    await ask(primary, 'create table numbers as select generate_series(1, 100000) as number')
  })
  after(async () => {
    await primary.stop()
    await rm(parent, { recursive: true })
  })
  const options = (name: string) => ({ primary, directory: join(parent, name), durable: false, settings })
  const caughtUp = (standby: PostgresServer) => connected(standby, async (client) => {
    const [lsn] = await ask(primary, 'select pg_current_wal_lsn()')
    return await waitFor(async () => (await client.query('select 1 where pg_last_wal_replay_lsn() >= $1', [lsn])).rows.length === 1 || undefined, { timeoutMs: 10_000 })
  })

  test('is cloned while the primary is written to, follows it, and returns after a stop of either', async () => {
    const cloned = new AbortController()
    const writing = connected(primary, async (client) => {
      while (!cloned.signal.aborted) await client.query('insert into numbers select max(number) + 1 from numbers')
    })
    const status: string[] = []
    const standby = await startStandby({ ...options('one'), onStatus: (text) => status.push(text) })
    cloned.abort()
    await writing
    assert.deepEqual(status, [`Copying the database at 127.0.0.1:${primary.port} to ${join(parent, 'one')}`])
    assert.equal(standby.password, primary.password)
    assert.ok(await caughtUp(standby))
    const all = 'select count(*)::int, max(number) from numbers'
    assert.deepEqual(await ask(standby, all), await ask(primary, all))
    assert.deepEqual(await ask(standby, `select pg_is_in_recovery(), current_setting('hot_standby_feedback'), current_setting('recovery_min_apply_delay')`), [true, 'on', '0'])
    await standby.stop()

    const { port } = primary
    await primary.stop()
    const alone = await startStandby({ ...options('one'), onStatus: (text) => status.push(text) })
    assert.match(status[1] ?? '', /^The standby starts without its primary\. The primary at 127\.0\.0\.1:\d+ cannot be reached/)
    assert.equal((await ask(alone, all)).length, 2)
    primary = await startPostgres({ directory: primary.directory, port, durable: false, settings })
    await ask(primary, 'insert into numbers values (0)')
    assert.ok(await caughtUp(alone))
    assert.deepEqual(await ask(primary, 'select active from pg_replication_slots'), [true])

    await ask(alone, 'select pg_promote()')
    await ask(alone, 'insert into numbers values (-1)')
    await alone.stop()
    await assert.rejects(startStandby(options('one')), { code: 'start', message: /is not a standby, or was promoted: delete it/ })
    const promoted = await startPostgres({ directory: join(parent, 'one'), durable: false, settings })
    assert.deepEqual(await ask(promoted, 'select min(number), pg_is_in_recovery() from numbers'), [-1, false])
    await promoted.stop()
  })

  test('can be cloned first and started later, and trails by as much as is wanted', async () => {
    await cloneAsStandby({ ...options('two'), slot: 'two' })
    assert.deepEqual(await readdir(join(parent, 'two')), ['cluster'])
    assert.equal((await stat(join(parent, 'two', 'cluster'))).mode & 0o777, 0o700)
    await assert.rejects(cloneAsStandby(options('two')), { code: 'start', message: /holds a database already/ })
    await assert.rejects(startPostgres({ directory: join(parent, 'two') }), { code: 'start', message: /is a standby: start it as one, or promote it first/ })
    const standby = await startStandby({ ...options('two'), slot: 'two', applyDelayMs: 300 })
    assert.deepEqual(await ask(standby, `select current_setting('recovery_min_apply_delay'), current_setting('primary_slot_name')`), ['300ms', 'two'])
    assert.ok(await caughtUp(standby))
    await connected(standby, async (client) => {
      await ask(primary, 'insert into numbers values (-7)')
      const committed = performance.now()
      const seen = await waitFor(async () => (await client.query('select 1 from numbers where number = -7')).rows.length || undefined, { timeoutMs: 5_000, everyMs: 5 })
      assert.ok(seen)
      assert.ok(performance.now() - committed > 200)
    })
    await standby.stop()
  })

  test('says that its disk is full', { skip: (process.platform !== 'linux' || process.getuid?.() !== 0) && 'only root on Linux can make a small one' }, async () => {
    const place = join(parent, 'small')
    await mkdir(place)
    assert.equal((await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tenfold', place])).code, 0)
    try {
      await assert.rejects(cloneAsStandby(options('small')), { code: 'start', message: /^The disk that holds .* is full: free some space/ })
      assert.deepEqual(await readdir(place), [])
    } finally {
      await runCommand('umount', ['-l', place])
    }
  })

  test('says what is wrong with its primary', async () => {
    const wrong = (address: Partial<PostgresAddress>, message: RegExp) => assert.rejects(startStandby({ ...options('three'), primary: { ...primary, ...address } }), { code: 'start', message })
    await wrong({ password: 'wrong' }, /^The primary at 127\.0\.0\.1:\d+ cannot be reached to copy it \(password authentication failed/)
    await wrong({ port: 1 }, /cannot be reached to copy it \(connect ECONNREFUSED 127\.0\.0\.1:1\): start it, or correct its address\.$/)
    await ask(primary, `create role plain login password 'plain'`)
    await wrong({ user: 'plain', password: 'plain' }, /cannot be reached to copy it|makes no replication slot/)
    assert.deepEqual(await readdir(join(parent, 'three')), [])
  })
})
