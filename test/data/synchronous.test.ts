/** A primary that waits for a standby at each COMMIT: what the wait was cancelled for is acknowledged to nobody, nor is a repeat before it is safe. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { defineApp, defineAuth, defineModule, post, routes, t } from 'tenfold'
import { testApp } from 'tenfold/testing'
import { waitFor } from '../../src/base/process.ts'
import type { Statement } from '../../src/data/index.ts'
import { relay } from '../../src/events/index.ts'
import { startTestServer } from '../../src/testing/server.ts'

const Label = t.Object({ label: t.String({ maxLength: 100 }) })
const Id = t.Object({ id: t.String() })
const { anyone } = defineAuth({ principal: { id: t.String(), jti: t.String() }, access: '15m', refresh: '7d' })
const parcels = defineModule<{ marks: { id: string; label: string } }>()('parcels', { migrations: new URL('../ledger/migrations/parcels/', import.meta.url) })
const marked = parcels.event('marked', Label)
const mark = parcels.command('mark', { input: Label, output: Id, timeout: '30s' }).handle(async (ctx, { label }) => {
  await ctx.emit(marked, { label })
  return ctx.db.insertInto('marks').values({ id: ctx.id('mark'), label }).returning('id').executeTakeFirstOrThrow()
})
const send = parcels.action('send', { input: Label, output: Id, timeout: '30s', backstop: { none: 'a test' } }).handle((ctx, input) => ctx.call(mark, input))
const app = defineApp('parcels', { modules: [parcels], routes: [routes('/v1', [post('/marks', mark, { auth: anyone, idempotencyKey: 'required' })])] })

/** The setting is the server's: it is one of our own. */
let server: Awaited<ReturnType<typeof startTestServer>>
let admin: pg.Client
let prober: pg.Client
before(async () => {
  server = await startTestServer({ applyDelayMs: 0 })
  process.env['TENFOLD_TEST_SERVER'] = JSON.stringify({ primary: server.primary, replica: server.replica })
  ;[admin, prober] = [new pg.Client({ ...server.primary, database: 'postgres' }), new pg.Client({ ...server.primary, database: 'postgres' })]
  await Promise.all([admin.connect(), prober.connect()])
})
after(async () => {
  await Promise.all([admin.end(), prober.end()])
  await server.stop()
})

/** Whose word a COMMIT waits for: `*` is the standby that there is. */
async function waitFrom(standby: '' | '*' | 'nobody'): Promise<void> {
  await admin.query(`alter system set synchronous_standby_names = '${standby}'`)
  await admin.query('select pg_reload_conf()')
  // It is heeded from a moment on that no question answers: a commit of our own finds it.
  if (standby === 'nobody') await until(() => cancelledIfItWaits(prober.query(`select pg_logical_emit_message(true, 'test', '')`)))
}
/** Lets a test's database be dropped, however the test ends. */
const commits = () => ({ waitFor: waitFrom, [Symbol.asyncDispose]: () => waitFrom('') })
const until = async (isSo: () => Promise<boolean>) => assert.ok(await waitFor(async () => await isSo() || undefined, { timeoutMs: 20_000, everyMs: 10 }))
const waiting = async () => (await admin.query<{ pid: number }>(`select pid from pg_stat_activity where wait_event = 'SyncRep'`)).rows.map(({ pid }) => pid)

/** Runs it until it waits for a standby, or ends without. */
async function waits(work: Promise<unknown>): Promise<boolean> {
  let ended = false
  void work.then(() => { ended = true }, () => { ended = true })
  await until(async () => ended || (await waiting()).length === 1)
  return !ended
}

async function cancelledIfItWaits(work: Promise<unknown>): Promise<boolean> {
  const isWaiting = await waits(work)
  if (isWaiting) await admin.query('select pg_cancel_backend($1)', await waiting())
  await work.catch(() => { /* told to whom it is answered */ })
  return isWaiting
}

/** Has it wait for a standby, cancels that, and answers how it ended. */
async function cancelled<T>(work: () => Promise<T>): Promise<T> {
  const ended = work()
  assert.ok(await cancelledIfItWaits(ended))
  return ended
}

test('a commit whose wait for its standby is cancelled is not acknowledged, and a repeat of its key is answered when it is there', { timeout: 60_000 }, async () => {
  await using running = await testApp(app, { pool: { max: 2, waitMs: 5_000 } })
  await using each = commits()
  const { data } = running.engine.platform
  const database = data.databaseOf(undefined)
  const again = async () => {
    const answer = await running.engine.server.inject({ method: 'POST', url: '/v1/marks', headers: { 'idempotency-key': 'k' }, payload: { label: 'a' } })
    return [answer.statusCode, answer.json<{ code?: string; id?: string; detail?: string }>()] as const
  }
  await each.waitFor('nobody')
  const [status, problem] = await cancelled(again)
  assert.deepEqual([status, problem.code], [504, 'outcome-unknown'])
  assert.equal((await admin.query(`select from pg_stat_activity where usename = 'tenfold_app' and query = 'commit'`)).rowCount, 0, 'its connection is not used again')

  const repeated = again()
  assert.equal(await waits(repeated), true, 'it is committed on one server only')
  await each.waitFor('*')
  const answer = await repeated
  assert.equal(answer[0], 200)
  assert.deepEqual(await data.execute(database, { text: 'select id from parcels.marks' }), [{ id: answer[1].id }], 'once')
  assert.deepEqual(await again(), answer)
  await each.waitFor('')
  assert.deepEqual(await again(), answer)
})

test('nor is what the platform writes by itself: statements of its own, of the relay, of jobs, and the end of a run', { timeout: 60_000 }, async () => {
  await using running = await testApp(app, { pool: { max: 2, waitMs: 5_000 } })
  await using each = commits()
  const { platform, relay: relaying } = running.engine
  const [data, database] = [platform.data, platform.data.databaseOf(undefined)]
  const sent = await running.call(send, { label: 'a' }, { key: 'a' })
  await each.waitFor('nobody')
  const beat: Statement = { text: 'update tenfold.heartbeat set at = now()' }
  for (const work of [
    () => data.execute(database, beat),
    () => data.transact({ database, schema: 'tenfold', bucket: undefined }, { isolation: 'read committed', timeoutMs: 100 }, (transaction) => transaction.query(beat)),
    () => relay(relaying, database),
    () => running.call(send, { label: 'b' }, { key: 'b' }),
  ]) {
    await assert.rejects(cancelled<unknown>(work), { code: 'outcome-unknown', message: /^A change was committed on main.*, and the wait for its standby was cancelled: repeat the request with the same key/ })
  }
  const repeated = running.call(send, { label: 'a' }, { key: 'a' })
  assert.equal(await waits(repeated), true, 'a repeat of a run waits as its end did')
  await each.waitFor('')
  assert.deepEqual(await repeated, sent)
  await until(async () => (await waiting()).length === 0)
})
