/** Where reads go when replicas are in each other's, or in their own, way. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { Positions, systemClock } from '../../src/base/index.ts'
import { waitFor } from '../../src/base/process.ts'
import { createData, migrate } from '../../src/data/index.ts'
import { createMetrics } from '../../src/observe/index.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { startStandby } from '../../src/ops/rig/standby.ts'

const application = { user: 'tenfold_app', password: 'tenfold' }
const database = 'replicas'

/** A primary, and a replica that gives way to nobody who reads; `times`: how often it stands in the list. */
async function copies(context: TestContext, times: number) {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-replicas-'))
  const primary = await startPostgres({ directory: join(directory, 'primary'), durable: false })
  await migrate({ admin: { ...primary, database }, application, modules: [], create: true })
  const admin = new pg.Client({ host: primary.host, port: primary.port, user: primary.user, password: primary.password, database })
  await admin.connect()
  await admin.query('create table tenfold.rows (value integer); insert into tenfold.rows values (1); grant select on tenfold.rows to tenfold_app')
  const replica = await startStandby({ directory: join(directory, 'replica'), primary, slot: 'one', durable: false, settings: { hot_standby_feedback: 'off', max_standby_streaming_delay: 0 } })
  const at = (port: number) => ({ host: '127.0.0.1', port, ...application, database })
  const metrics = createMetrics()
  const data = createData({ databases: [{ name: database, primary: at(primary.port), replicas: Array.from({ length: times }, () => at(replica.port)), hasPlatform: true }], pool: { max: 4, waitMs: 2_000 } }, systemClock, metrics)
  context.after(async () => { await Promise.all([data.close(), admin.end()]); await Promise.all([replica.stop(), primary.stop()]); await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }) })
  const home = data.databaseOf(undefined)
  await home.watch()
  const place = { database: home, schema: 'tenfold', bucket: undefined }
  const read = <T>(work: Parameters<typeof data.read<T>>[2], consistency: 'session' | 'eventual' = 'eventual') => data.read<T>(place, { consistency, positions: new Positions(), timeoutMs: 10_000 }, work)
  const reads = (reason: string) => Number(new RegExp(`reason="${reason}"\\} (\\d+)`).exec(metrics.text())?.[1])
  return { admin, replica, home, read, reads }
}

test('a read that a replica cancels, since it stands in the way of its replay, is done on the primary, once', async (context) => {
  const { admin, read, reads } = await copies(context, 1)
  let runs = 0
  const found = await read(async (db) => {
    runs++
    const before = await db.sql<{ value: number }>`select value from rows`
    if (runs === 1) await admin.query('alter table tenfold.rows add column other integer') // which waits for nobody there: who reads is ended
    const again = await waitFor(async () => {
      const [row] = await db.sql<{ standby: boolean }>`select pg_is_in_recovery() as standby from rows`
      return runs === 1 ? undefined : row
    }, { timeoutMs: 10_000, everyMs: 10 })
    return { before: before.length, standby: again?.standby }
  })
  assert.deepEqual([runs, found], [2, { before: 1, standby: false }])
  assert.deepEqual([reads('failed'), reads('replica')], [1, 0])
})

test('reads go to the replica that has fewest of them; with none left, the primary serves and a metric says so', async (context) => {
  const { home, read, reads, replica } = await copies(context, 2)
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
  const slow = Array.from({ length: 2 }, () => read(async (db) => { await db.sql`select 1 from rows`; await held; return 0 }))
  assert.ok(await waitFor(() => home.replicas.every(({ load }) => load === 1) || undefined, { timeoutMs: 5_000 }), 'each has one')
  letGo()
  await Promise.all(slow)
  await replica.stop()
  await home.watch()
  assert.deepEqual(home.replicas.map((one) => one.outage()), ['unreachable', 'unreachable'])
  assert.deepEqual(await read(async (db) => (await db.sql<{ standby: boolean }>`select pg_is_in_recovery() as standby from rows`)[0]?.standby), false)
  assert.deepEqual([reads('replica'), reads('no-replica')], [2, 1])
})
