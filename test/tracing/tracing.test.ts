/** What a collector is told, by a real one: a small HTTP server that keeps what it gets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { defineApp, defineAuth, defineModule, get, post, routes, t } from 'tenfold'
import { testApp } from 'tenfold/testing'

interface Value { stringValue?: string; intValue?: string; boolValue?: boolean }
interface Span { traceId: string; spanId: string; parentSpanId?: string; name: string; kind: number; startTimeUnixNano: string; endTimeUnixNano: string; attributes: { key: string; value: Value }[]; status: { code?: number; message?: string } }

async function collector(context: TestContext) {
  const spans: Span[] = []
  const services = new Set<string>()
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => { body += part }).on('end', () => {
      const { resourceSpans } = JSON.parse(body) as { resourceSpans: { resource: { attributes: { value: Value }[] }; scopeSpans: { spans: Span[] }[] }[] }
      for (const { resource, scopeSpans } of resourceSpans) {
        services.add(`${request.method} ${request.url} ${resource.attributes[0]?.value.stringValue}`)
        spans.push(...scopeSpans.flatMap((scope) => scope.spans))
      }
      response.end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close())
  return { spans, services, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

const Id = t.String({ maxLength: 100 })
const { anyone } = defineAuth({ principal: { id: Id, jti: Id }, access: '15m', refresh: '7d' })
const parcels = defineModule<{ marks: { id: string; label: string } }>()('parcels', { migrations: new URL('../ledger/migrations/parcels/', import.meta.url) })
const marks = parcels.query('marks', { input: t.Object({}), output: t.Array(t.String()), cache: { ttl: '1m', invalidatedBy: { none: 'a test' } } }).handle(async (ctx) => (await ctx.db.selectFrom('marks').select('label').execute()).map(({ label }) => label))
const later = parcels.job('later', { input: t.Object({}), timeout: '5s', tries: 1 }).handle(async (ctx) => { await ctx.call(marks, {}) })
const add = parcels.command('add', { input: t.Object({ label: t.String() }), output: t.Null() }).handle(async (ctx, { label }) => {
  await ctx.db.insertInto('marks').values({ id: ctx.id('mark'), label }).execute()
  await ctx.enqueue(later, {})
  return null
})
const post1 = parcels.dependency('post', { timeout: '1s', config: [] })
let heard: string | undefined
const ask = post1.operation('ask', { input: t.Object({}), output: t.Null() }).handle(async (io) => { heard = io.traceparent; return null }).fallback({ none: 'a test' })
const send = parcels.action('send', { input: t.Object({ label: t.String() }), output: t.Array(t.String()), backstop: { none: 'a test' } }).handle(async (ctx, input) => {
  await ctx.call(ask, {})
  await ctx.call(add, input)
  return ctx.call(marks, {})
})
const broken = parcels.query('broken', { input: t.Object({}), output: t.Null() }).handle(async () => { throw new Error('a secret') })
const app = defineApp('parcels', { modules: [parcels], routes: [routes('/v1', [post('/parcels', send, { auth: anyone }), get('/broken', broken, { auth: anyone }), get('/marks', marks, { auth: anyone })])] })

const attributes = ({ attributes: list }: Span) => Object.fromEntries(list.map(({ key, value }) => [key, value.stringValue ?? (value.intValue === undefined ? value.boolValue : Number(value.intValue))]))

test('a request that is recorded is told whole: the route, its steps, their statements, what left the system, and the job behind it', async (context) => {
  const { spans, services, endpoint } = await collector(context)
  {
    await using running = await testApp(app, { tracing: { endpoint, share: 0 } })
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const answer = await running.engine.server.inject({ method: 'POST', url: '/v1/parcels', headers: { traceparent }, payload: { label: 'a secret' } })
    assert.deepEqual([answer.statusCode, answer.json()], [200, ['a secret']])
    await running.settle()
  }
  assert.deepEqual([...services], ['POST /v1/traces parcels'])
  assert.deepEqual([...new Set(spans.map(({ traceId }) => traceId))], ['0af7651916cd43dd8448eb211c80319c'])
  const parentOf = ({ parentSpanId }: Span) => spans.find(({ spanId }) => spanId === parentSpanId)?.name
  const tree = spans.map((span) => `${parentOf(span)} > ${span.name} (${span.kind})`).toSorted()
  assert.deepEqual(tree.filter((line) => !line.includes('WITH') && !line.includes('COMMIT')), [
    'POST /v1/parcels > parcels.add (1)', 'POST /v1/parcels > parcels.ask (3)', 'POST /v1/parcels > parcels.marks (1)',
    'parcels.add > INSERT (3)', 'parcels.add > parcels.later (5)', 'parcels.later > parcels.marks (1)', 'parcels.marks > SELECT (3)', 'undefined > POST /v1/parcels (2)',
  ])
  const root = spans.find(({ kind }) => kind === 2)
  assert.deepEqual([root?.parentSpanId, root && attributes(root)], ['b7ad6b7169203331', { 'http.request.method': 'POST', 'http.route': '/v1/parcels', 'http.response.status_code': 200 }])
  assert.equal(heard, `00-0af7651916cd43dd8448eb211c80319c-${spans.find(({ name }) => name === 'parcels.ask')?.spanId}-01`, 'the service outside is told which part it is')
  for (const { startTimeUnixNano, endTimeUnixNano, name } of spans) assert.ok(BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano) && Math.abs(Number(BigInt(startTimeUnixNano) / 1_000_000n) - Date.now()) < 60_000, name)
  assert.deepEqual(spans.filter(({ name }) => name === 'parcels.marks').map((span) => attributes(span)['tenfold.cache.hit']).toSorted(), [false, true])
  assert.match(String(attributes(spans.find(({ name }) => name === 'INSERT') as Span)['db.query.text']), /^insert into "marks"/)
  assert.doesNotMatch(JSON.stringify(spans), /a secret/, 'no value of anybody stands in a span')
})

test('of those that begin here a share is recorded, and every failure', async (context) => {
  const { spans, endpoint } = await collector(context)
  {
    await using running = await testApp(app, { tracing: { endpoint, share: 0.1 } })
    for (let nth = 0; nth < 400; nth++) assert.equal((await running.engine.server.inject('/v1/marks')).statusCode, 200)
  }
  const roots = spans.filter(({ name }) => name === 'GET /v1/marks').length
  assert.ok(roots > 10 && roots < 90, `${roots} of 400 were recorded`)
  spans.length = 0
  {
    await using running = await testApp(app, { tracing: { endpoint, share: 0 } })
    assert.equal((await running.engine.server.inject('/v1/marks')).statusCode, 200)
    assert.equal((await running.engine.server.inject('/v1/broken')).statusCode, 500)
  }
  assert.deepEqual(spans.map((span) => [span.name, span.status.code, attributes(span)['http.response.status_code']]), [['GET /v1/broken', 2, 500]])
})

test('a collector that is not there costs spans, which are counted, and nothing else', async () => {
  await using running = await testApp(app, { tracing: { endpoint: 'http://127.0.0.1:1', share: 1 } })
  for (let nth = 0; nth < 20; nth++) assert.equal((await running.engine.server.inject('/v1/marks')).statusCode, 200)
  await running.clock.advance('2s')
  const lost = () => /tenfold_trace_spans_total\{outcome="lost"\} (\d+)/.exec(running.engine.platform.metrics.text())?.[1]
  while (lost() === '0') await new Promise<void>((resolve) => { setImmediate(resolve) })
  assert.ok(Number(lost()) >= 20)
})
