import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineApp, defineModule, t } from 'tenfold'
import { testApp, type TestApp } from 'tenfold/testing'
import { failed } from '../../src/base/index.ts'
import { takeDue } from '../../src/jobs/queue.ts'
import { atEveryStage } from '../support/stages.ts'

const ran: string[] = []
let failing = 0
const gate = { open: Promise.withResolvers<void>(), most: 0, now: 0 }

const errands = defineModule<{ notes: { id: string; text: string } }>()('errands', { migrations: new URL('./migrations/errands/', import.meta.url) })
const Text = t.Object({ text: t.String() })
const note = errands.command('note', { input: Text, output: t.Null() }).handle(async (ctx, { text }) => {
  await ctx.db.insertInto('notes').values({ id: ctx.id('note'), text }).execute()
  return null
})
const write = errands.job('write', { input: Text, timeout: '2s', tries: 3 }).handle(async (ctx, { text }) => {
  if (failing > 0) {
    failing--
    throw new Error('not today')
  }
  await ctx.call(note, { text })
})
const slow = errands.job('slow', { input: Text, timeout: '200ms', tries: 1 }).handle(() => new Promise(() => { /* never ends by itself */ }))
const narrow = errands.job('narrow', { input: Text, timeout: '5s', tries: 1, concurrency: 2 }).handle(async () => {
  gate.most = Math.max(gate.most, ++gate.now)
  await gate.open.promise
  gate.now--
})
errands.job('nightly', { input: t.Object({}), timeout: '1s', tries: 1, cron: '0 3 * * *' }).handle(async (ctx) => { await ctx.call(note, { text: 'nightly' }) })
let outages = 0
const order = errands.job('order', { input: Text, timeout: '1s', tries: 1 }).handle(async (_ctx, { text }) => {
  if (outages-- > 0) throw failed('database-unavailable', 'The database is gone for now.')
  ran.push(text)
})

const Options = t.Object({ job: t.Union([t.Literal('write'), t.Literal('slow'), t.Literal('narrow'), t.Literal('order')]), text: t.String(), after: t.Optional(t.String()), at: t.Optional(t.String()), priority: t.Optional(t.Integer()), once: t.Optional(t.String()) })
const ask = errands.command('ask', { input: Options, output: t.Null() }).handle(async (ctx, { job, text, after, at, priority, once }) => {
  await ctx.enqueue({ write, slow, narrow, order }[job], { text }, { ...(after ? { after: after as '1s' } : {}), ...(at ? { at: new Date(at) } : {}), ...(priority === undefined ? {} : { priority }), ...(once ? { once } : {}) })
  return null
})
const notes = errands.query('notes', { input: t.Object({}), output: t.Array(t.String()) }).handle(async (ctx) => (await ctx.db.selectFrom('notes').select('text').orderBy('text').execute()).map(({ text }) => text))
const app = defineApp('errands', { modules: [errands], routes: [] })

async function rows(running: TestApp<typeof app>, text: string): Promise<Record<string, unknown>[]> {
  const { data } = running.engine.platform
  return data.execute(data.databaseOf(undefined), { text })
}

atEveryStage('a job that fails is tried again, with growing pauses; when it gives up it is a dead letter with its reason', app, async (running) => {
  failing = 1
  await running.call(ask, { job: 'write', text: 'second time' })
  await running.settle()
  assert.deepEqual(await running.call(notes, {}), [])
  await running.clock.advance('10s')
  assert.deepEqual(await running.call(notes, {}), ['second time'])
  failing = 99
  await running.call(ask, { job: 'write', text: 'never' })
  for (let round = 0; round < 4; round++) await running.clock.advance('20m')
  failing = 0
  const [dead] = await rows(running, `select name, input, reason, tries from tenfold.dead`)
  assert.deepEqual(dead, { name: 'errands.write', input: { text: 'never' }, reason: 'not today', tries: 3 })
  assert.deepEqual(await rows(running, `select from tenfold.runs where kind = 'job'`), [])
})

test('a job starts at its time, and by its priority', async () => {
  await using running = await testApp(app)
  ran.length = 0
  await running.call(ask, { job: 'order', text: 'later', after: '1h' })
  await running.call(ask, { job: 'order', text: 'at noon', at: new Date(running.clock.now() + 7_200_000).toISOString() })
  await running.settle()
  assert.deepEqual(ran, [])
  await running.clock.advance('61m')
  assert.deepEqual(ran, ['later'])
  await running.clock.advance('1h')
  assert.deepEqual(ran, ['later', 'at noon'])
  for (const [text, priority] of [['last', 9], ['usual', undefined], ['first', 0]] as const) await running.call(ask, { job: 'order', text, ...(priority === undefined ? {} : { priority }) })
  const { data, clock } = running.engine.platform
  const taken = []
  for (let nth = 0; nth < 3; nth++) taken.push(...await takeDue(data, data.databaseOf(undefined), 1, clock.now()))
  assert.deepEqual(taken.map(({ input }) => (input as { text: string }).text), ['first', 'usual', 'last'])
})

test('a job with a dedupe key waits once', async () => {
  await using running = await testApp(app)
  ran.length = 0
  for (const text of ['one', 'two', 'three']) await running.call(ask, { job: 'order', text, once: 'same' })
  await running.settle()
  assert.deepEqual(ran, ['one'])
  await running.call(ask, { job: 'order', text: 'four', once: 'same' })
  await running.settle()
  assert.deepEqual(ran, ['one', 'four'])
})

test('a job with a concurrency limit runs that often at once, however many workers ask', async () => {
  await using running = await testApp(app)
  for (let nth = 0; nth < 6; nth++) await running.call(ask, { job: 'narrow', text: String(nth) })
  const { worker, platform: { data } } = running.engine
  const passes = await Promise.all([1, 2, 3, 4].map(() => worker.pass(data.databaseOf(undefined))))
  assert.ok(passes.includes(true))
  assert.equal(worker.running(), 2)
  gate.open.resolve()
  await running.settle()
  assert.deepEqual([gate.most, gate.now], [2, 0])
  assert.deepEqual(await rows(running, 'select from tenfold.dead'), [])
})

test('a job that passes its time limit is left behind', async () => {
  await using running = await testApp(app)
  await running.call(ask, { job: 'slow', text: 'x' })
  await running.settle()
  assert.match(String((await rows(running, 'select reason from tenfold.dead'))[0]?.['reason']), /passed its time limit/)
})

test('a worker that died gives its work back when its lease ends, and writes nothing after that', async () => {
  await using running = await testApp(app)
  await running.call(ask, { job: 'write', text: 'inherited' })
  const { data, clock } = running.engine.platform
  const [taken] = await takeDue(data, data.databaseOf(undefined), 1, clock.now())
  assert.equal(taken?.name, 'errands.write')
  await running.settle()
  assert.deepEqual(await running.call(notes, {}), [], 'it is leased')
  await running.clock.advance('20s')
  assert.deepEqual(await running.call(notes, {}), ['inherited'])
})

test('a job that kills its worker each time is a dead letter in the end; deaths are no tries of its own', async () => {
  await using running = await testApp(app)
  await running.call(ask, { job: 'write', text: 'deadly' })
  const { data, clock } = running.engine.platform
  for (let deaths = 0; deaths < 6; deaths++) {
    const [taken] = await takeDue(data, data.databaseOf(undefined), 1, clock.now() + deaths * 20_000) // each takes it up after the lease of the one before
    assert.deepEqual([taken?.tries, taken?.deaths], [1, deaths])
  }
  await running.clock.advance('5m')
  const [dead] = await rows(running, 'select name, reason, tries from tenfold.dead')
  assert.deepEqual(dead, { name: 'errands.write', reason: 'Its worker died in the midst of it 6 times.', tries: 1 })
  assert.deepEqual(await running.call(notes, {}), [])
})

test('a job that kills its worker takes its neighbours along twice, not again and again', async () => {
  await using running = await testApp(app)
  for (let nth = 0; nth < 6; nth++) await running.call(ask, { job: 'order', text: String(nth) })
  const { data, clock } = running.engine.platform
  assert.equal((await takeDue(data, data.databaseOf(undefined), 8, clock.now())).length, 6, 'all of them were at work when it died')
  assert.equal((await takeDue(data, data.databaseOf(undefined), 8, clock.now() + 20_000)).length, 6, 'and once more')
  const later = await takeDue(data, data.databaseOf(undefined), 8, clock.now() + 40_000)
  assert.deepEqual(later.map(({ deaths }) => deaths), [2], 'one suspect at a time')
  assert.deepEqual(await takeDue(data, data.databaseOf(undefined), 8, clock.now() + 40_000, { suspects: 0 }), [])
  ran.length = 0
  for (let round = 0; round < 8; round++) await running.clock.advance('1m')
  assert.deepEqual([ran.toSorted(), await rows(running, 'select from tenfold.dead')], [['0', '1', '2', '3', '4', '5'], []])
})

test('an outage is no try of a job', async () => {
  await using running = await testApp(app)
  outages = 5
  await running.call(ask, { job: 'order', text: 'patient' })
  ran.length = 0
  for (let round = 0; round < 8; round++) await running.clock.advance('20m')
  assert.deepEqual([ran, await rows(running, 'select from tenfold.dead')], [['patient'], []])
})

atEveryStage('a schedule fires once, whoever asks, and makes up for what was missed once', app, async (running) => {
  await running.settle()
  await running.clock.advance('24h')
  await running.clock.advance('24h')
  await running.clock.advance('72h')
  assert.deepEqual(await running.call(notes, {}), ['nightly', 'nightly', 'nightly'])
})
