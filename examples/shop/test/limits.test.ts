/** 600 requests a minute for each address; 10 sign-ins a minute for each address and for each account. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp, type TestApp } from 'tenfold/testing'
import { problemOf } from '../../../test/support/problems.ts'
import { app } from '../app.ts'
import { tokens } from '../kit.ts'

type Shop = TestApp<typeof app>
const signIn = (shop: Shop, email: string, remoteAddress = '127.0.0.1', password = 'wrong horse') => shop.engine.server.inject({ method: 'POST', url: '/v1/sessions', remoteAddress, payload: { email, password } })

test('an address has 600 requests in any minute, of whatever kind', async () => {
  await using shop = await testApp(app, { rateLimit: true })
  const ask = (url = '/v1/products?limit=1', remoteAddress = '127.0.0.1') => shop.engine.server.inject({ url, remoteAddress })
  const urls = ['/v1/products?limit=1', '/v1/products?limit=x', '/nowhere', '/openapi.json', '/v1/orders']
  for (let nth = 0; nth < 600; nth++) {
    const answer = await ask(urls[nth % urls.length])
    assert.notEqual(answer.statusCode, 429, `request ${nth}`)
    assert.match(String(answer.headers['ratelimit']), new RegExp(`^"address";r=${599 - nth};t=\\d+$`))
    if (nth === 299) await shop.clock.advance('20s')
  }
  const refused = await ask()
  assert.equal(problemOf(refused).code, 'rate-limited')
  assert.equal(refused.headers['ratelimit-policy'], '"address";q=600;w=60')
  const retryAfter = Number(refused.headers['retry-after'])
  assert.ok(retryAfter > 0 && retryAfter <= 40, String(retryAfter))
  assert.equal((await ask('/v1/products?limit=1', '10.1.1.1')).statusCode, 200)
  await shop.clock.advance('41s')
  assert.equal((await ask()).statusCode, 200, 'the first half is given back')
  await shop.clock.advance('60s')
  assert.equal((await ask()).headers['ratelimit'], '"address";r=599;t=60')
})

test('an account has ten sign-ins a minute, from wherever and however its address is written; so has an address, for whichever accounts', async () => {
  await using shop = await testApp(app, { rateLimit: true })
  await shop.client()('POST /v1/users', { email: 'ann@example.com', password: 'correct horse', name: 'Ann' })
  const spellings = ['ann@example.com', 'ANN@example.com', ' ann@example.com', 'ann@example.com\t', 'Ann@Example.Com']
  for (let nth = 0; nth < 10; nth++) assert.equal((await signIn(shop, spellings[nth % 5] ?? '', `10.0.0.${nth}`)).statusCode, 401)
  for (const email of [...spellings, '\u00a0aNN@example.com ']) {
    const refused = await signIn(shop, email, '10.0.1.1', 'correct horse')
    assert.deepEqual([refused.statusCode, problemOf(refused).code], [429, 'rate-limited'], email)
    assert.equal(refused.headers['ratelimit-policy'], '"address";q=600;w=60, "route-address";q=10;w=60, "route-email";q=10;w=60')
    assert.ok(Number(refused.headers['retry-after']) <= 60)
  }
  assert.equal((await signIn(shop, 'bob@example.com', '10.0.2.1')).statusCode, 401, 'another account is another')
  for (let nth = 0; nth < 10; nth++) assert.equal((await signIn(shop, `user${nth}@example.com`, '10.0.3.1')).statusCode, 401)
  assert.match(problemOf(await signIn(shop, 'user11@example.com', '10.0.3.1')).detail, /from this address: at most 10 in 60 s/)
  assert.equal((await shop.engine.server.inject({ url: '/v1/products', remoteAddress: '10.0.3.1' })).statusCode, 200, 'only signing in is over')
  await shop.clock.advance('61s')
  assert.equal((await signIn(shop, 'ann@example.com', '10.0.3.1', 'correct horse')).statusCode, 201)
})

test('without limits nothing is counted, and nothing told', async () => {
  await using shop = await testApp(app)
  for (let nth = 0; nth < 12; nth++) {
    const { statusCode, headers } = await signIn(shop, 'x')
    assert.deepEqual([statusCode, headers['ratelimit'], headers['ratelimit-policy']], [401, undefined, undefined])
  }
})

test('an admin\'s token beside it frees a request from every limit; any other token does not', async () => {
  await using shop = await testApp(app, { rateLimit: true })
  const tokenOf = async (role: 'user' | 'admin') => (await shop.call(tokens.issue, { id: '00000000-0000-8000-8000-00000000000a', role })).accessToken
  const [admin, user] = [await tokenOf('admin'), await tokenOf('user')]
  const ask = (unlimited: string) => shop.engine.server.inject({ method: 'POST', url: '/v1/sessions', payload: { email: 'ann@example.com', password: 'wrong horse' }, headers: { 'tenfold-unlimited': unlimited } })
  for (let nth = 0; nth < 15; nth++) {
    const { statusCode, headers } = await ask(admin)
    assert.deepEqual([statusCode, headers['ratelimit']], [401, undefined])
  }
  for (const [token, status, code] of [[user, 403, 'forbidden'], ['x.y.z', 401, 'unauthenticated'], ['', 401, 'unauthenticated']] as const) {
    const refused = await ask(token)
    assert.deepEqual([refused.statusCode, problemOf(refused).code, refused.headers['ratelimit-policy']], [status, code, '"address";q=600;w=60'], 'and it is counted')
  }
  assert.equal((await signIn(shop, 'ann@example.com')).statusCode, 401, 'what was free was not counted')
  await shop.call(tokens.revoke, { jti: JSON.parse(Buffer.from(admin.split('.')[1] ?? '', 'base64url').toString()).jti as string })
  assert.equal((await ask(admin)).statusCode, 401, 'a revoked one frees nothing')
})
