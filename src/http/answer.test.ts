import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ann, file, known, probe } from '../../test/support/probe.ts'

test('what the client has by its tag is not sent again', async () => {
  await using running = await probe()
  const { server } = running
  for (const [url, authorization] of [[`/v1/things/${known}`, undefined], ['/v1/things?limit=2', undefined], ['/v1/paper', ann], ['/openapi.json', undefined]] as const) {
    const headers = authorization === undefined ? {} : { authorization }
    const first = await server.inject({ url, headers })
    const etag = String(first.headers['etag'])
    assert.match(etag, /^"[\w-]{27}"$/)
    assert.equal((await server.inject({ url, headers })).headers['etag'], etag, 'the same answer has the same tag')
    for (const tags of [etag, `W/${etag}`, '*', ` "other" , ${etag}`, `"a",W/${etag},"b"`]) {
      for (const method of ['GET', 'HEAD'] as const) {
        const again = await server.inject({ method, url, headers: { ...headers, 'if-none-match': tags } })
        assert.deepEqual([again.statusCode, again.body, again.headers['etag'], again.headers['cache-control']], [304, '', etag, first.headers['cache-control']], `${method} ${url} ${tags}`)
      }
    }
    for (const tags of ['', etag.slice(1, -1), '"other"', `${etag}x`, 'W/"*"', '"'.repeat(1_000)]) assert.equal((await server.inject({ url, headers: { ...headers, 'if-none-match': tags } })).statusCode, 200, tags)
  }
  assert.notEqual((await server.inject('/v1/things?limit=2')).headers['etag'], (await server.inject('/v1/things?limit=3')).headers['etag'])
  const made = await server.inject({ method: 'POST', url: '/v1/things', headers: { 'if-none-match': '*' }, payload: { name: 'lamp' } })
  assert.deepEqual([made.statusCode, made.headers['etag'], made.headers['location']], [201, undefined, `/v1/things/${known}`])
})

test('who may keep an answer, and for how long', async () => {
  await using running = await probe()
  const cacheControl = async (method: 'GET' | 'POST' | 'PUT', url: string, payload?: object) => (await running.server.inject({ method, url, headers: { authorization: ann }, ...(payload ? { payload } : {}) })).headers['cache-control']
  assert.equal(await cacheControl('GET', `/v1/things/${known}`), 'public, max-age=60, stale-while-revalidate=10')
  assert.equal(await cacheControl('GET', '/v1/things/00000000-0000-8000-8000-000000000009'), 'no-store', 'a 404 may come to be')
  assert.equal(await cacheControl('GET', '/v1/things'), 'no-cache')
  assert.equal(await cacheControl('GET', '/v1/others'), 'private, no-cache')
  assert.equal(await cacheControl('GET', '/v1/paper'), 'private, no-cache')
  assert.equal(await cacheControl('POST', '/v1/things', { name: 'lamp' }), 'no-store')
  assert.equal(await cacheControl('PUT', `/v1/things/${known}`, { name: 'lamp' }), 'no-store')
})

test('a file is sent as what it is, under a name that breaks no header', async () => {
  await using running = await probe()
  const answer = await running.server.inject({ url: '/v1/paper', headers: { authorization: ann } })
  assert.equal(answer.body, '%PDF-1.7\n')
  assert.deepEqual([answer.headers['content-type'], answer.headers['content-length'], answer.headers['x-content-type-options']], [file.type, '9', 'nosniff'])
  assert.equal(answer.headers['content-disposition'], 'inline; filename="a-b-c-.pdf"')
})
