/** Several hosts of one cluster: whoever is the primary is found, and followed. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { failed, parseLsn, Positions, systemClock } from '../../src/base/index.ts'
import { signalProcess, waitFor } from '../../src/base/process.ts'
import { connectionOf, createData, type Data, findPrimary, migrate } from '../../src/data/index.ts'
import { createMetrics } from '../../src/observe/index.ts'
import { type PostgresServer, startPostgres } from '../../src/ops/rig/postgres.ts'
import { startStandby } from '../../src/ops/rig/standby.ts'
import { within } from '../process/shop.ts'
import { freeze } from '../support/frozen.ts'

const application = { user: 'tenfold_app', password: 'tenfold' }
const database = 'failover'

async function on<T>(server: PostgresServer, text: string): Promise<T[]> {
  const client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database })
  await client.connect()
  try { return (await client.query(text)).rows as T[] } finally { await client.end() }
}

/** A primary and a standby of it, and what a process has of both. */
async function cluster(context: TestContext, { replicas = true } = {}) {
  const root = await mkdtemp(join(tmpdir(), 'tenfold-failover-'))
  const servers: PostgresServer[] = []
  context.after(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  })
  const start = async (name: string, port?: number) => { const server = await startPostgres({ directory: join(root, name), durable: false, port }); servers.push(server); return server }
  const one = await start('one')
  await migrate({ admin: { ...one, database }, application, modules: [], create: true })
  await on(one, 'create table tenfold.written (value integer primary key); grant all on tenfold.written to tenfold_app')
  const two = await startStandby({ directory: join(root, 'two'), primary: one, slot: 'two', durable: false })
  servers.push(two)
  const hosts = [one, two].map(({ host, port }) => ({ host, port }))
  const place = { host: one.host, port: one.port, ...application, database }
  const metrics = createMetrics()
  const data = createData({ databases: [{ name: database, primary: { ...place, hosts }, replicas: replicas ? hosts.map((host) => ({ ...place, ...host })) : [], hasPlatform: true }], pool: { max: 4, waitMs: 2_000 } }, systemClock, metrics)
  context.after(() => data.close())
  return { one, two, data, metrics, restartOne: () => start('one', one.port) }
}

const at = (data: Data) => ({ database: data.databaseOf(undefined), schema: 'tenfold', bucket: undefined })
const write = (data: Data, value: number) => data.transact(at(data), { isolation: 'read committed', timeoutMs: 2_000 }, (transaction) => transaction.query({ text: 'insert into written values ($1)', values: [value] }))
const count = (data: Data, positions: Positions) => data.read(at(data), { consistency: 'session', positions, timeoutMs: 2_000 }, async (db) => (await db.sql<{ n: number }>`select count(*)::int as n from written`)[0]?.n)

async function untilWritten(data: Data, value: number): Promise<void> {
  const done = await waitFor(() => write(data, value).then(() => true, () => undefined), { timeoutMs: 20_000, everyMs: 20 })
  if (!done) throw failed('timeout', `Nothing could be written: ${String(await write(data, value).catch((error: unknown) => error))}`)
}

test('a promoted standby is found and followed, and one that was deposed is never written to again', { timeout: 60_000 }, async (context) => {
  const { one, two, data, metrics, restartOne } = await cluster(context)
  const session = new Positions()
  await write(data, 1)
  await data.wrote(at(data).database, session)
  assert.equal(await count(data, session), 1)
  const [seen] = await on<{ lsn: string }>(one, 'select pg_current_wal_lsn()::text as lsn')
  assert.ok(await waitFor(async () => (await on<{ there: boolean }>(two, `select pg_last_wal_replay_lsn() >= '${seen?.lsn}' as there`))[0]?.there || undefined, { timeoutMs: 10_000 }))

  signalProcess(one.pid, 'SIGKILL')
  await one.exited
  await assert.rejects(write(data, 2), { code: 'database-unavailable' })
  await data.databaseOf(undefined).watch() // as the running process does ten times a second
  assert.equal(await count(data, session), 1, 'reads go on, on the standby')
  await on(two, 'select pg_promote()')
  await untilWritten(data, 3)
  await data.wrote(at(data).database, session)
  assert.equal(await count(data, session), 2)
  assert.equal(session.at(database)?.timeline, 2)

  const deposed = await restartOne()
  assert.deepEqual(await on(deposed, 'select pg_is_in_recovery() as standby'), [{ standby: false }], 'it takes itself for a primary')
  data.databaseOf(undefined).writer.suspect()
  for (let value = 4; value < 20; value++) await untilWritten(data, value)
  assert.deepEqual(await on(deposed, 'select value from tenfold.written order by value'), [{ value: 1 }])
  assert.equal((await on(two, 'select from tenfold.written')).length, 18)

  // The clock of the primary before was ahead: the heartbeat goes on by this one's.
  await on(two, `update tenfold.heartbeat set at = clock_timestamp() + interval '5 minutes'`)
  await data.databaseOf(undefined).watch()
  assert.deepEqual(await on(two, `select at < clock_timestamp() as past from tenfold.heartbeat`), [{ past: true }])

  // What was seen on the old timeline counts up to where it was left; behind that it is lost, and counted.
  const [left] = await on<{ timeline: number; left_at: string }>(two, 'select timeline, left_at::text from tenfold.left_timelines()')
  assert.equal(left?.timeline, 1)
  const [before, behind] = [new Positions(), new Positions()]
  before.advance({ database, timeline: 1, lsn: parseLsn(left.left_at), at: systemClock.now() })
  behind.advance({ database, timeline: 1, lsn: parseLsn(left.left_at) + 8n, at: systemClock.now() })
  assert.equal(await count(data, before), 18)
  assert.equal(await count(data, behind), 18)
  assert.ok((behind.at(database)?.timeline ?? 0) >= 2, 'who saw what is lost goes on from what is there')
  assert.match(metrics.text(), /reason="lost"\} 1\n/)
  assert.match(metrics.text(), /tenfold_replica_reads_total\{[^}]*served_by="replica"[^}]*\} [1-9]/)
})

test('a command whose primary dies is done by the one that is found, within its time', { timeout: 60_000 }, async (context) => {
  const { one, two, data } = await cluster(context, { replicas: false })
  assert.equal(data.databaseOf(undefined).isWatched, true, 'without replicas too')
  await write(data, 1)
  data.databaseOf(undefined).writer.move(two) // as one who was a primary there once
  await assert.rejects(data.execute(data.databaseOf(undefined), { text: 'insert into tenfold.written values (2)' }), { code: 'database-unavailable', message: /takes no writes any more/ })
  data.databaseOf(undefined).writer.move(one)
  signalProcess(one.pid, 'SIGKILL')
  await one.exited
  await assert.rejects(write(data, 2), { code: 'database-unavailable' })
  const { moves } = data.databaseOf(undefined)
  const looked = data.databaseOf(undefined).foundAgain(moves, 20_000)
  await on(two, 'select pg_promote()')
  assert.equal(await looked, true)
  await write(data, 3)
  assert.equal(await data.databaseOf(undefined).foundAgain(moves, 1_000), true)
  assert.equal(await data.databaseOf(undefined).foundAgain(data.databaseOf(undefined).moves, 1_000), false, 'nothing is amiss any more')
})

test('a primary that hangs is noticed, and what hangs with it is given up when another is found; what was not committed is done there', { timeout: 60_000 }, async (context) => {
  const { one, two, data } = await cluster(context)
  const home = data.databaseOf(undefined)
  await write(data, 1)
  assert.ok(await waitFor(async () => (await on(two, 'select from tenfold.written').catch(() => [])).length === 1 || undefined, { timeoutMs: 10_000 }))
  const said = (work: Promise<unknown>) => work.then(() => 'done', (error: { code?: string }) => error.code)
  const committing = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const late = said(data.transact(at(data), { isolation: 'read committed', timeoutMs: 2_000 }, async (transaction) => {
    await transaction.query({ text: 'insert into written values (2)' })
    begun.resolve()
    await committing.promise
  }))
  await begun.promise
  await Promise.all([1, 2, 3].map(() => data.execute(home, { text: 'select pg_sleep(0.05)' }))) // so many connections are there to hang
  const thaw = await freeze(one.pid)
  try {
    committing.resolve()
    const before = home.moves
    const hanging = [said(data.execute(home, { text: 'select 1' })), said(write(data, 3)), said(home.primary.lane.run({ text: 'select 1' })), said(count(data, new Positions())), ...[1, 2, 3].map(() => said(data.execute(home, { text: 'select 1' })))]
    await on(two, 'select pg_promote()')
    await home.watch() // as the running process does ten times a second: what says nothing is suspected
    assert.equal(await home.foundAgain(before, 20_000), true)
    assert.deepEqual(await within(10_000, Promise.all([late, ...hanging]), () => 'what hangs with the primary was not given up'), ['outcome-unknown', 'database-unavailable', 'database-unavailable', 'done', 'done', 'database-unavailable', 'done', 'done'], 'what waited for a connection has one')
    await write(data, 4)
    assert.equal(home.writer.usage().used, 0, 'no connection is kept by what hangs')
  } finally {
    thaw()
  }
  for (let value = 5; value < 10; value++) await write(data, value)
  assert.deepEqual(await on(two, 'select value from tenfold.written order by value'), [1, 4, 5, 6, 7, 8, 9].map((value) => ({ value })))
  assert.ok((await on<{ value: number }>(one, 'select value from tenfold.written')).every(({ value }) => value <= 2), 'nothing was written to the one that hung')
})

test('a cluster that is in use is migrated by the one URL of all its hosts', { timeout: 60_000 }, async (context) => {
  const { one, two } = await cluster(context)
  const folder = await mkdtemp(join(tmpdir(), 'tenfold-late-'))
  context.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, '001-late.sql'), 'create table things (id integer primary key);')
  const url = `postgres://${one.user}:${encodeURIComponent(one.password)}@${two.host}:${two.port},${one.host}:${one.port}/${database}`
  const admin = await findPrimary(connectionOf(url, 'data.primary'), systemClock)
  const modules = [{ name: 'late', migrations: pathToFileURL(`${folder}/`), shardKey: undefined }]
  assert.deepEqual(await migrate({ admin, application, modules }), [{ module: 'late', file: '001-late.sql' }])
  await writeFile(join(folder, '002-index.sql'), 'create index concurrently things_twice on things ((id * 2));')
  assert.deepEqual(await migrate({ admin, application, modules }), [{ module: 'late', file: '002-index.sql' }])
})
