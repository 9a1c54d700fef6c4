import assert from 'node:assert/strict'
import { test } from 'node:test'
import { probe } from '../../test/support/probe.ts'

test('the page and all that it needs are ours: each of its type, tagged, and kept by browsers', async () => {
  await using running = await probe()
  const { server } = running
  const page = await server.inject('/docs')
  assert.deepEqual([page.statusCode, page.headers['content-type'], page.headers['cache-control']], [200, 'text/html; charset=utf-8', 'no-cache'])
  assert.match(String(page.headers['content-security-policy']), /^default-src 'none'; script-src 'self';/)
  assert.doesNotMatch(String(page.headers['content-security-policy']), /https?:|\*|unsafe/)
  assert.doesNotMatch(page.body, /https?:|\/\//)
  const linked = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string)
  assert.deepEqual(linked, ['docs/favicon-32x32.png', 'docs/swagger-ui.css', 'docs/swagger-ui-bundle.js', 'docs/start.js'])
  const types = { png: 'image/png', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' }
  for (const url of ['/docs', ...linked.map((path) => `/${path}`)]) {
    const answer = await server.inject(url)
    const type = types[url.split('.').at(-1) as keyof typeof types] ?? 'text/html; charset=utf-8'
    assert.deepEqual([answer.statusCode, answer.headers['content-type'], answer.headers['x-content-type-options']], [200, type, 'nosniff'], url)
    assert.ok(answer.rawPayload.length > 100, url)
    const again = await server.inject({ url, headers: { 'if-none-match': String(answer.headers['etag']) } })
    assert.deepEqual([again.statusCode, again.body, again.headers['cache-control']], [304, '', answer.headers['cache-control']], url)
  }
  const slash = await server.inject('/docs/')
  assert.deepEqual([slash.statusCode, slash.headers['location']], [308, '../docs'])
  for (const url of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/index.html']) assert.equal((await server.inject(url)).statusCode, 404, url)
})

test('they are away where the topology says so, and make room for what the team put there', async () => {
  await using off = await probe({ docs: false })
  for (const url of ['/docs', '/docs/swagger-ui.css']) assert.equal((await off.server.inject(url)).statusCode, 404)
  assert.equal((await off.server.inject('/openapi.json')).statusCode, 200)
  await using own = await probe({ mount: async (server) => { server.get('/docs', async () => 'our own') } })
  assert.equal((await own.server.inject('/docs')).body, 'our own')
})
