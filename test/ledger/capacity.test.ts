import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineApp, defineAuth, defineModule, get, pageInput, pageOf, post, routes, t } from 'tenfold'
import { testApp } from 'tenfold/testing'

const Id = t.String({ maxLength: 100 })
const { anyone, caller, signedIn } = defineAuth({ principal: { id: Id, jti: Id }, access: '15m', refresh: '7d' })
const work = defineModule<Record<never, never>>()('work', { migrations: new URL('./migrations/none/', import.meta.url) })
const outside = work.dependency('outside', { timeout: '5s', atMost: { running: 100, waiting: 100 }, config: [] })
const wait = outside.operation('wait', { input: t.Object({}), output: t.Null() }).handle(async () => null).fallback({ none: 'a test' })
const slow = work.lookup('slow', { input: t.Object({}), output: t.Null() }).handle((ctx) => ctx.call(wait, {}))
const pay = work.action('pay', { input: t.Object({}), output: t.Null(), backstop: { none: 'a test' } }).handle((ctx) => ctx.call(wait, {}))
const gates = { narrow: Promise.withResolvers<null>(), held: Promise.withResolvers<null>(), holding: Promise.withResolvers<void>() }
const few = work.dependency('few', { timeout: '5s', atMost: { running: 2, waiting: 1 }, config: [] })
const narrowly = few.operation('narrowly', { input: t.Object({}), output: t.Null() }).handle(() => gates.narrow.promise).fallback({ none: 'a test' })
const narrow = work.lookup('narrow', { input: t.Object({}), output: t.Null() }).handle((ctx) => ctx.call(narrowly, {}))
const once = work.command('once', { input: t.Object({}), output: t.Null(), timeout: '3s' }).handle(async (ctx) => {
  await ctx.db.sql`select 1`
  gates.holding.resolve()
  return gates.held.promise
})
const list = work.query('list', { input: pageInput({ q: t.Optional(t.String()) }), output: pageOf(t.Object({})) }).handle(async () => ({ data: [], nextCursor: null, hasMore: false }))
const mine = work.query('mine', { input: t.Object({ id: caller.id }), output: t.String() }).handle(async (_ctx, { id }) => id)
const app = defineApp('work', { modules: [work], routes: [routes('/v1', [
  get('/report', slow, { auth: anyone, priority: 'background' }), get('/page', slow, { auth: anyone }), post('/pay', pay, { auth: anyone, priority: 'critical' }),
  post('/once', once, { auth: anyone, idempotencyKey: 'optional' }), get('/list', list, { auth: anyone }), get('/mine', mine, { auth: signedIn }), get('/narrow', narrow, { auth: anyone }),
])] })

test('7 sheds, not sinks: over capacity the excess is turned away at once, what matters least first, and the rest is served', async () => {
  await using running = await testApp(app, { requests: 20 })
  const gate = Promise.withResolvers<null>()
  running.replace(wait, () => gate.promise)
  const { server } = running.engine
  const ask = (method: 'GET' | 'POST', url: string, count: number) => Array.from({ length: count }, () => server.inject({ method, url, ...(method === 'POST' ? { payload: {} } : {}) }))
  // 20 places: background may fill 10 of them, normal 17, critical all.
  const asked = [...ask('GET', '/v1/report', 14), ...ask('GET', '/v1/page', 10), ...ask('POST', '/v1/pay', 5)]
  const shedAtOnce = (await Promise.all(asked.map((answer) => Promise.race([answer, new Promise<undefined>((resolve) => { setImmediate(() => setImmediate(() => setImmediate(() => { resolve(undefined) }))) })])))).filter((answer) => answer !== undefined)
  gate.resolve(null)
  const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode)
  const count = (from: number, to: number, status: number) => statuses.slice(from, to).filter((one) => one === status).length
  assert.deepEqual([count(0, 14, 200), count(14, 24, 200), count(24, 29, 200)], [10, 7, 3])
  assert.ok(shedAtOnce.every(({ statusCode }) => statusCode === 503))
  const refused = (await Promise.all(asked)).find(({ statusCode }) => statusCode === 503)
  assert.equal(refused?.headers['retry-after'], '1')
  assert.equal(refused?.json<{ code: string }>().code, 'overloaded')
  assert.equal((await server.inject('/v1/page')).statusCode, 200, 'and then there is room again')
})

test('6 everything bounded: what is larger, longer or more than its limit is refused with a typed error', async () => {
  await using running = await testApp(app, { pool: { max: 1, waitMs: 800 } })
  const { server } = running.engine
  const ask = async (method: 'GET' | 'POST', url: string, more: { headers?: Record<string, string>; payload?: object } = {}) => {
    const answer = await server.inject({ method, url, ...more })
    return [answer.statusCode, answer.statusCode < 400 ? 'ok' : answer.json<{ code: string }>().code, answer.headers['retry-after'] !== undefined]
  }
  assert.deepEqual(await ask('POST', '/v1/pay', { payload: { long: 'x'.repeat(1024 ** 2) } }), [413, 'too-large', false], 'a body')
  assert.deepEqual(await ask('POST', '/v1/once', { headers: { 'idempotency-key': 'x'.repeat(256) }, payload: {} }), [400, 'malformed', false], 'a key')
  assert.deepEqual(await ask('GET', '/v1/list?limit=101'), [422, 'invalid', false], 'a page')
  assert.deepEqual(await ask('GET', `/v1/list?cursor=${'x'.repeat(2_001)}`), [400, 'bad-cursor', false], 'a cursor')
  assert.deepEqual(await ask('GET', '/v1/mine', { headers: { authorization: `Bearer ${'x'.repeat(5_000)}` } }), [401, 'unauthenticated', false], 'a token')
  assert.deepEqual(await ask('GET', `/v1/list?q=${'x'.repeat(9_000)}`), [414, 'uri-too-long', false], 'a URL')

  const free = (gates.narrow = Promise.withResolvers<null>())
  const crowd = Array.from({ length: 4 }, () => ask('GET', '/v1/narrow'))
  const refused = await Promise.race(crowd)
  assert.deepEqual(refused, [503, 'dependency-unavailable', true], 'calls to a dependency: two at once, one waiting')
  free.resolve(null)
  assert.deepEqual((await Promise.all(crowd)).map(([status]) => status).toSorted(), [200, 200, 200, 503])

  const done = (gates.held = Promise.withResolvers<null>())
  const first = ask('POST', '/v1/once', { payload: {} })
  await gates.holding.promise
  assert.deepEqual(await ask('POST', '/v1/once', { payload: {} }), [503, 'pool-exhausted', true], 'the wait for a connection')
  done.resolve(null)
  assert.deepEqual(await first, [200, 'ok', false])
  gates.held = Promise.withResolvers<null>()
  assert.deepEqual(await ask('POST', '/v1/once', { payload: {} }), [504, 'timeout', false], 'the time of a command')
})
