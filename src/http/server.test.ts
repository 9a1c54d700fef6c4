import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ann, known, probe, secret } from '../../test/support/probe.ts'
import { problemOf } from '../../test/support/problems.ts'
import { securityHeaders } from './answer.ts'

const everywhere: [method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'HEAD', url: string, status: number][] = [
  ['GET', `/v1/things/${known}`, 200], ['POST', '/v1/things', 422], ['GET', '/v1/others', 401], ['GET', '/nowhere', 404], ['DELETE', '/v1/things', 405], ['OPTIONS', '/v1/things', 204], ['GET', '/v1/things/%zz', 400],
  ['GET', `/v1/things/${'a'.repeat(500)}`, 404], ['GET', `/v1/things/${'a'.repeat(501)}`, 414], ['GET', `/v1/things?q=${'a'.repeat(9_000)}`, 414], ['GET', '/v1/broken', 500], ['GET', '/openapi.json', 200], ['HEAD', '/v1/things', 200],
]

test('every answer has the security headers, a request id and the trace that it came in', async () => {
  await using running = await probe()
  const traceId = 'a'.repeat(31) + '1'
  for (const [method, url, status] of everywhere) {
    const answer = await running.server.inject({ method, url, headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } })
    assert.equal(answer.statusCode, status, `${method} ${url.slice(0, 40)}`)
    for (const [name, value] of Object.entries(securityHeaders)) assert.equal(answer.headers[name], value, `${name} of ${method} ${url.slice(0, 40)}`)
    assert.equal(answer.headers['x-request-id'], traceId, `${method} ${url.slice(0, 40)}`)
    if (status >= 400) {
      assert.equal(problemOf(answer).requestId, traceId)
      assert.equal(answer.headers['cache-control'], 'no-store')
    }
  }
  for (const traceparent of ['', 'x', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `00-${'A'.repeat(32)}-00f067aa0ba902b7-01`, `00-${traceId}-${'0'.repeat(16)}-01`]) {
    assert.match(String((await running.server.inject({ url: '/v1/things', headers: { traceparent } })).headers['x-request-id']), /^(?!0+$)[0-9a-f]{32}$/, `a trace of its own for ${traceparent}`)
  }
})

test('what has no route is 404; a path with other methods is 405 with Allow, and OPTIONS is told them', async () => {
  await using running = await probe({ mount: async (server) => { server.get('/beside/:name/x', async () => 'x') } })
  const { server } = running
  for (const url of ['/', '/v1', '/v1/', '//v1/things', '/V1/things', '/v1/things/../..', '/v1/things/%2e%2e/..', '/v1/things%00', '/v1/things/a/b', '/openapi.json/']) {
    assert.equal(problemOf(await server.inject(url)).code, 'not-found', url)
  }
  const cases: [string, string][] = [['/v1/things', 'GET, HEAD, OPTIONS, POST'], [`/v1/things/${known}`, 'DELETE, GET, HEAD, OPTIONS, PUT'], ['/v1/keyed', 'OPTIONS, POST'], ['/openapi.json', 'GET, HEAD, OPTIONS'], ['/beside/a/x', 'GET, HEAD, OPTIONS'], ['/v1/things/', 'DELETE, GET, HEAD, OPTIONS, PUT']]
  for (const [url, allow] of cases) {
    for (const method of ['PATCH', 'TRACE', 'PROPFIND'] as const) {
      const answer = await server.inject({ method: method as 'PATCH', url: `${url}?a=/v1/x` })
      assert.deepEqual([answer.statusCode, problemOf(answer).code, String(answer.headers['allow']).split(', ').toSorted().join(', ')], [405, 'method-not-allowed', allow], `${method} ${url}`)
    }
    const asked = await server.inject({ method: 'OPTIONS', url })
    assert.deepEqual([asked.statusCode, asked.body, String(asked.headers['allow']).split(', ').toSorted().join(', ')], [204, '', allow], url)
  }
  assert.equal(problemOf(await server.inject({ method: 'OPTIONS', url: '/nowhere' })).code, 'not-found')
})

test('HEAD is GET without its body', async () => {
  await using running = await probe()
  for (const [url, authorization, status] of [[`/v1/things/${known}`, undefined, 200], ['/v1/things?limit=3', undefined, 200], ['/v1/things/nobody', undefined, 404], ['/nowhere', undefined, 404], ['/v1/paper', ann, 200], ['/openapi.json', undefined, 200]] as const) {
    const headers = authorization === undefined ? {} : { authorization }
    const [head, whole] = [await running.server.inject({ method: 'HEAD', url, headers }), await running.server.inject({ url, headers })]
    assert.deepEqual([head.statusCode, head.body], [status, ''], url)
    for (const name of ['content-type', 'content-length', 'etag', 'cache-control']) {
      if (url !== '/nowhere' || name !== 'content-length') assert.equal(head.headers[name], whole.headers[name], `${name} of ${url}`)
    }
  }
})

test('what goes wrong on our side is told to the log, and to nobody else', async () => {
  await using running = await probe({ mount: async (server) => {
    server.get('/thrown', () => { throw Object.assign(new Error(secret), { statusCode: 503, code: 'E_OURS' }) })
    server.get('/no-error', () => { throw secret as unknown as Error }) // what a library might do
  } })
  for (const url of ['/v1/broken', '/thrown', '/no-error']) {
    running.lines.length = 0
    const answer = await running.server.inject({ url, headers: { authorization: `Bearer ${secret}` } })
    assert.deepEqual([answer.statusCode, problemOf(answer).code], [500, 'internal'], url)
    assert.ok(!answer.payload.includes(secret), 'nothing of it leaves')
    assert.ok(running.lines.some((line) => line.includes(secret) && line.includes(problemOf(answer).requestId)), 'the log has it, under the same id')
  }
})

test('what the team mounts beside is refused in the same form, with its own status', async () => {
  await using running = await probe({ mount: async (server) => {
    server.get('/teapot/:status', (request) => { throw Object.assign(new Error('as the plugin says'), { statusCode: Number((request.params as { status: string }).status) }) })
    server.post('/echo', async ({ body }) => body)
  } })
  for (const [status, code] of [[403, 'forbidden'], [404, 'not-found'], [409, 'conflict'], [418, 'i-m-a-teapot'], [429, 'too-many-requests'], [499, 'the-request-was-refused']] as const) {
    const answer = await running.server.inject(`/teapot/${status}`)
    assert.deepEqual([answer.statusCode, problemOf(answer).code, problemOf(answer).detail], [status, code, 'as the plugin says'])
  }
  assert.deepEqual((await running.server.inject({ method: 'POST', url: '/echo', payload: { a: [1] } })).json(), { a: [1] })
  assert.equal(problemOf(await running.server.inject({ method: 'POST', url: '/echo', headers: { 'content-type': 'application/json' }, payload: '{' })).code, 'malformed')
})

test('browsers may call from named origins only', async () => {
  await using running = await probe({ corsOrigins: ['https://shop.example', 'https://admin.example'] })
  await using closed = await probe()
  const preflight = (server: typeof running.server, origin: string, url = '/v1/things') => server.inject({ method: 'OPTIONS', url, headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization, idempotency-key' } })
  for (const origin of ['https://shop.example', 'https://admin.example']) {
    const answer = await preflight(running.server, origin)
    assert.equal(answer.statusCode, 204)
    assert.equal(answer.headers['access-control-allow-origin'], origin)
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) assert.ok(String(answer.headers['access-control-allow-methods']).split(', ').includes(method), method)
    assert.equal(answer.headers['access-control-allow-headers'], 'authorization, idempotency-key')
    for (const url of ['/v1/things', '/v1/others', '/nowhere', '/v1/broken']) {
      const { headers } = await running.server.inject({ url, headers: { origin } })
      assert.deepEqual([headers['access-control-allow-origin'], headers['access-control-allow-credentials']], [origin, 'true'], url)
      assert.match(String(headers['access-control-expose-headers']), /retry-after/)
    }
  }
  for (const origin of ['https://evil.example', 'https://shop.example.evil.example', 'http://shop.example', 'null', '*', '']) {
    for (const answer of [await preflight(running.server, origin), await running.server.inject({ url: '/v1/things', headers: { origin } }), await preflight(closed.server, origin)]) {
      assert.deepEqual(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-')), [], `${origin} ${answer.statusCode}`)
    }
    assert.match(String((await running.server.inject({ url: '/v1/things', headers: { origin } })).headers['vary']), /Origin/)
  }
  assert.equal((await running.server.inject({ method: 'OPTIONS', url: '/v1/things' })).headers['allow'], 'GET, HEAD, POST, OPTIONS', 'no preflight, only a question')
  assert.equal((await running.server.inject({ method: 'OPTIONS', url: '/v1/things', headers: { origin: 'https://shop.example' } })).statusCode, 204)
})
