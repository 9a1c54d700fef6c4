/** What goes wrong in the midst of things: hung handlers, lost connections, refusals beside work under way, an undo that dies. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { defineApp, defineAuth, defineModule, post, routes, t } from 'tenfold'
import { testApp, type TestApp } from 'tenfold/testing'
import { atEveryStage } from '../support/stages.ts'

const Id = t.String({ maxLength: 100 })
const Parcel = t.Object({ id: Id })
const { anyone } = defineAuth({ principal: { id: Id, jti: Id }, access: '15m', refresh: '7d' })

/** What a test puts in the way of a handler; nothing unless it says so. */
const nothing = async () => {}
const hooks = { taking: nothing, checking: nothing, undoing: nothing, hanging: nothing }
beforeEach(() => { Object.assign(hooks, { taking: nothing, checking: nothing, undoing: nothing, hanging: nothing }) })

const parcels = defineModule<{ marks: { id: string; label: string } }>()('parcels', { migrations: new URL('./migrations/parcels/', import.meta.url) })
const refused = parcels.failure('refused', { status: 409, data: t.Null(), message: () => 'not this one' })
const mark = parcels.command('mark', { input: t.Object({ label: t.String() }), output: t.Object({ id: t.String() }), timeout: '300ms' }).handle(async (ctx, { label }) => {
  if (label === 'take') await hooks.taking()
  if (label === 'hang') await hooks.hanging()
  return ctx.db.insertInto('marks').values({ id: ctx.id('mark'), label }).returning('id').executeTakeFirstOrThrow()
})
const check = parcels.query('check', { input: Parcel, output: t.Null() }).handle(async () => { await hooks.checking(); return null })
const marks = parcels.query('marks', { input: t.Object({}), output: t.Array(t.String()), consistency: 'primary' }).handle(async (ctx) => (await ctx.db.selectFrom('marks').select('label').orderBy('label').execute()).map(({ label }) => label))

const backstop = { after: '2s', giveUpAfter: '1h', undo: async (ctx: { call: (procedure: typeof mark, input: { label: string }, options: { step: string }) => Promise<unknown> }) => {
  await ctx.call(mark, { label: 'give back' }, { step: 'give back' })
  await hooks.undoing()
} } as const
const send = parcels.action('send', { input: Parcel, output: t.Null(), errors: [refused], backstop }).handle(async (ctx, input) => {
  await ctx.call(mark, { label: 'take' }, { step: 'take' })
  await ctx.call(check, input)
  await ctx.call(mark, { label: 'ship' }, { step: 'ship' })
  return null
})
const sendAtOnce = parcels.action('sendAtOnce', { input: Parcel, output: t.Null(), errors: [refused], backstop }).handle(async (ctx, input) => {
  await Promise.all([ctx.call(mark, { label: 'take' }, { step: 'take' }), ctx.call(check, input)])
  return null
})
/** Rests on an outside answer that is not recorded while the service is down. */
const judging = parcels.dependency('judging', { timeout: '1s', config: [] })
const score = judging.operation('score', { input: Parcel, output: t.Object({ points: t.Integer() }) }).handle(async () => ({ points: 1 })).fallback(async () => ({ points: 1 }))
const judge = parcels.action('judge', { input: Parcel, output: t.Null(), errors: [refused], backstop }).handle(async (ctx, input) => {
  const { points } = await ctx.call(score, input)
  if (points === 0) throw refused(null)
  await ctx.call(mark, { label: 'take' }, { step: 'take' })
  await ctx.call(check, input)
  return null
})
const parts = parcels.command('parts', { input: t.Object({ how: t.Union([t.Literal('nested'), t.Literal('beside')]) }), output: t.Array(t.String()) }).handle(async (ctx, { how }) => {
  const add = (on: typeof ctx, label: string) => on.db.insertInto('marks').values({ id: ctx.id(label), label }).execute()
  const failing = (on: typeof ctx, label: string) => on.savepoint(async (inner) => { await add(inner, label); throw new Error(`${label} failed`) }).catch((error: Error) => error.message)
  if (how === 'beside') return Promise.all(['a', 'b'].map((label) => ctx.savepoint(async (inner) => { await add(inner, label); return label })))
  await add(ctx, 'kept')
  const first = await failing(ctx, 'a')
  return ctx.savepoint(async (inner) => { await add(inner, 'kept inside'); return [first, await failing(inner, 'b')] })
})
const app = defineApp('parcels', { modules: [parcels], routes: [routes('/v1', [post('/marks', mark, { auth: anyone, idempotencyKey: 'required' })])] })
type Parcels = TestApp<typeof app>

atEveryStage('an undo that has begun is never gone forward over, whoever takes it up', app, async (running) => {
  hooks.checking = async () => { throw refused(null) }
  hooks.undoing = async () => { throw new Error('the undo fails for now') }
  await assert.rejects(running.call(send, { id: 'a' }, { key: 'one' }))
  hooks.checking = nothing
  hooks.undoing = nothing
  for (let round = 0; round < 5; round++) await running.clock.advance('1m')
  assert.deepEqual(await running.call(marks, {}), ['give back', 'take'])
  assert.equal(await running.call(send, { id: 'a' }, { key: 'one' }).then(() => 'sent', (error: { code: string }) => error.code), 'refused', 'a repeat is told what the first was told')
})

test('a refusal waits for the steps beside it, and what they did is undone', async () => {
  await using running = await testApp(app)
  const gate = Promise.withResolvers<void>()
  hooks.taking = () => gate.promise
  hooks.checking = async () => { gate.resolve(); throw refused(null) }
  await assert.rejects(running.call(sendAtOnce, { id: 'a' }, { key: 'one' }), { code: 'refused' })
  assert.deepEqual(await running.call(marks, {}), ['give back', 'take'])
})

test('a command from outside with a key has its effect once; another body under the key is refused', async () => {
  await using running = await testApp(app)
  const ask = (label: string) => running.engine.server.inject({ method: 'POST', url: '/v1/marks', headers: { 'idempotency-key': 'k' }, payload: { label } })
  const [first, second] = [await ask('one'), await ask('one')]
  assert.deepEqual([first.statusCode, second.json()], [200, first.json()])
  const other = await ask('two')
  assert.deepEqual([other.statusCode, other.json<{ code: string }>().code], [422, 'key-reused'])
  assert.deepEqual(await running.call(marks, {}), ['one'])
})

test('a handler that hangs gives its connection back when its time is over', async () => {
  await using running = await testApp(app, { pool: { max: 2, waitMs: 1_000 } })
  const gate = Promise.withResolvers<void>()
  hooks.hanging = () => gate.promise
  const hung = await Promise.allSettled([1, 2].map(() => running.call(mark, { label: 'hang' })))
  assert.deepEqual(hung.map(({ status }) => status), ['rejected', 'rejected'])
  await running.call(mark, { label: 'after' })
  gate.resolve()
  assert.deepEqual(await running.call(marks, {}), ['after'])
})

test('a connection that is lost in the midst of a command is an error of that command, and of nothing else', async () => {
  await using running = await testApp(app)
  hooks.taking = () => endWriters(running)
  await assert.rejects(running.call(mark, { label: 'take' }), { code: 'database-unavailable' })
  hooks.taking = nothing
  await running.call(mark, { label: 'take' })
  assert.deepEqual(await running.call(marks, {}), ['take'])
})

test('a refusal by an answer that nobody recorded undoes what an earlier owner did, in whatever bucket that stands', async () => {
  await using running = await testApp(app)
  running.down(score)
  hooks.checking = async () => { throw new Error('for now') }
  await assert.rejects(running.call(judge, { id: 'a' }, { key: 'one' }))
  hooks.checking = nothing
  running.replace(score, () => ({ points: 0 }))
  await running.clock.advance('1m')
  assert.deepEqual(await running.call(marks, {}), ['give back', 'take'])
})

test('savepoints: a part that throws leaves nothing; one beside another is refused', async () => {
  await using running = await testApp(app)
  assert.deepEqual(await running.call(parts, { how: 'nested' }), ['a failed', 'b failed'])
  assert.deepEqual(await running.call(marks, {}), ['kept', 'kept inside'])
  await assert.rejects(running.call(parts, { how: 'beside' }), { code: 'definition', message: /opens a savepoint beside another/ })
  assert.deepEqual(await running.call(marks, {}), ['kept', 'kept inside'])
})

/** As a restart, or an operator, would: what is idle in a transaction is ended, and waited for. */
async function endWriters(running: Parcels): Promise<void> {
  const { data } = running.engine.platform
  const database = data.databaseOf(undefined)
  await data.execute(database, { text: `select pg_terminate_backend(pid, 2000) from pg_stat_activity where datname = current_database() and state = 'idle in transaction' and pid <> pg_backend_pid()` })
}
