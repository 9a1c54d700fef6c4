import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineApp, defineAuth, defineModule, get, post, routes, t } from 'tenfold'
import { testApp } from 'tenfold/testing'

const Id = t.String({ maxLength: 100 })
const { anyone } = defineAuth({ principal: { id: Id, jti: Id }, access: '15m', refresh: '7d' })
const work = defineModule<Record<never, never>>()('work', { migrations: new URL('./migrations/none/', import.meta.url) })
const outside = work.dependency('outside', { timeout: '5s', atMost: { running: 100, waiting: 100 }, config: [] })
const wait = outside.operation('wait', { input: t.Object({}), output: t.Null() }).handle(async () => null).fallback({ none: 'a test' })
const slow = work.lookup('slow', { input: t.Object({}), output: t.Null() }).handle((ctx) => ctx.call(wait, {}))
const pay = work.action('pay', { input: t.Object({}), output: t.Null(), backstop: { none: 'a test' } }).handle((ctx) => ctx.call(wait, {}))
const app = defineApp('work', { modules: [work], routes: [routes('/v1', [
  get('/report', slow, { auth: anyone, priority: 'background' }), get('/page', slow, { auth: anyone }), post('/pay', pay, { auth: anyone, priority: 'critical' }),
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

test('6 everything bounded: a body, a page, a key, a token and a cursor have their limits', async () => {
  await using running = await testApp(app)
  const { server } = running.engine
  assert.equal((await server.inject({ method: 'POST', url: '/v1/pay', payload: { long: 'x'.repeat(1024 ** 2) } })).statusCode, 413)
  assert.equal((await server.inject({ method: 'POST', url: '/v1/pay', headers: { 'idempotency-key': 'x'.repeat(10_000) }, payload: {} })).statusCode, 200, 'a route without keys reads none')
})
