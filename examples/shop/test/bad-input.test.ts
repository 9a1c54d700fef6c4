/** What hostile input gets: the right problem document, nothing of ours in it, and a shop that goes on as before. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { testApp } from 'tenfold/testing'
import { problemOf, responseOf } from '../../../test/support/problems.ts'
import { app } from '../app.ts'
import { importProducts, productIds } from '../catalogue/importing.ts'
import { alike } from '../catalogue/recommendations.ts'
import { tokens } from '../kit.ts'
import { charge } from '../payments/payments.ts'
import { connect } from 'node:net'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
interface Sent { method?: Method; payload?: string | Buffer | object; headers?: Record<string, string>; as?: string }

const shop = await testApp(app)
const { server } = shop.engine
const customerId = '00000000-0000-8000-8000-00000000000a'
const missing = '00000000-0000-8000-8000-0000000000ff'
let [product, other] = ['', '']
const access = { customer: '', admin: '' }

before(async () => {
  shop.replace(charge, () => ({ outcome: 'paid' as const }))
  shop.replace(alike, () => ({ ids: [] }))
  await shop.call(importProducts, { products: Array.from({ length: 30 }, (_, index) => ({ sku: `2000${index}`, name: `Lamp ${index}`, price: 100, stock: 1_000_000 })) });
  [product = '', other = ''] = await shop.call(productIds, { limit: 2 })
  await signInAgain()
})
after(() => shop[Symbol.asyncDispose]())

async function signInAgain(): Promise<void> {
  access.customer = (await shop.call(tokens.issue, { id: customerId, role: 'user' })).accessToken
  access.admin = (await shop.call(tokens.issue, { id: '00000000-0000-8000-8000-00000000000b', role: 'admin' })).accessToken
}

async function send(url: string, { method = 'GET', payload, headers = {}, as }: Sent = {}) {
  const json = typeof payload === 'string' || payload instanceof Buffer ? { 'content-type': 'application/json' } : {}
  return server.inject({ method, url, headers: { ...json, ...headers, ...(as ? { authorization: `Bearer ${as}` } : {}) }, ...(payload === undefined ? {} : { payload }) })
}

/** The problem that it gets, in short: its status, its code, and where the faults are. */
async function refusal(url: string, sent: Sent = {}): Promise<string> {
  const problem = problemOf(await send(url, sent))
  return [problem.status, problem.code, ...(problem.errors ?? []).map(({ path }) => path)].join(' ')
}
const order = (payload: Sent['payload'], key = 'k') => refusal('/v1/orders', { method: 'POST', payload, as: access.customer, headers: { 'idempotency-key': key } })
const works = async () => assert.equal((await send(`/v1/products/${product}`)).statusCode, 200, 'a good request is answered as before')

test('bodies of every route', async () => {
  for (const [url, as] of [['/v1/users', undefined], ['/v1/sessions', undefined], ['/v1/sessions/refresh', undefined], ['/v1/orders', access.customer]] as const) {
    const post = (payload: Sent['payload'], headers: Record<string, string> = {}) => refusal(url, { method: 'POST', payload, headers: { 'idempotency-key': 'k', ...headers }, ...(as ? { as } : {}) })
    for (const body of [' ', '{', '{"a":}', '[', '{"a":1}}', 'undefined', `${'['.repeat(100_000)}`, `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`]) assert.equal(await post(body), '400 malformed', `${url} ${body.slice(0, 20)}`)
    for (const body of ['null', '[]', '"x"', '0']) assert.equal(await post(body), '422 invalid ', `${url} ${body}`)
    assert.equal(await post(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), '400 malformed', `${url} is not UTF-8`)
    assert.equal(await post(JSON.stringify({ a: 'x'.repeat(1024 ** 2) })), '413 too-large', url)
    assert.equal(await post('a=b', { 'content-type': 'application/x-www-form-urlencoded' }), '415 unsupported-media-type', url)
    assert.match(await post('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}'), /^422 invalid .*\/__proto__ \/constructor$/, url)
  }
  assert.equal((Object.prototype as Record<string, unknown>)['isAdmin'], undefined)
  await works()
})

test('an account', async () => {
  const good = { email: 'mallory@example.com', password: 'correct horse', name: 'Mallory' }
  const post = (change: object) => refusal('/v1/users', { method: 'POST', payload: { ...good, ...change } })
  assert.equal(await refusal('/v1/users', { method: 'POST', payload: { role: 'admin', id: missing } }), '422 invalid /email /password /name /role /id')
  for (const email of ['', 'x', 'a@b', '@b.co', 'a@b..co', 'a b@c.de', 'a@b.de\n', 'a\u0000b@c.de', `${'a'.repeat(250)}@b.de`, 'a"b@c.de', 1, null, ['a@b.de'], { $ne: 1 }]) assert.equal(await post({ email }), '422 invalid /email', String(email))
  for (const password of ['short', 'x'.repeat(201), '\u0000'.repeat(9), `${'x'.repeat(8)}\ud800`, 12345678, null]) assert.equal(await post({ password }), '422 invalid /password', String(password))
  for (const name of ['', 'x'.repeat(201), 'a\u0000b', '\udfff', `e${'\u0301'.repeat(1_000)}`, {}]) assert.equal(await post({ name }), '422 invalid /name', String(name))
  const made = await send('/v1/users', { method: 'POST', payload: { ...good, name: `'; drop table users; --\u0001\u200b💥` } })
  assert.deepEqual([made.statusCode, made.json<{ name: string }>().name], [201, `'; drop table users; --\u0001\u200b💥`])
  assert.equal(await post({ email: 'MALLORY@example.com' }), '409 email-taken')
  for (const credentials of [{ email: 'mallory@example.com', password: 'wrong' }, { email: 'nobody@example.com', password: 'wrong' }, { email: 'x', password: '' }]) assert.equal(await refusal('/v1/sessions', { method: 'POST', payload: credentials }), '401 bad-sign-in')
  for (const credentials of [{ email: ['mallory@example.com'], password: 'x' }, { email: { $gt: '' }, password: 'x' }, { email: null, password: 'x' }]) assert.equal(await refusal('/v1/sessions', { method: 'POST', payload: credentials }), '422 invalid /email')
  for (const refreshToken of ['', 'x', '\u0001', 'x'.repeat(500), '../../etc/passwd', access.customer]) assert.match(await refusal('/v1/sessions/refresh', { method: 'POST', payload: { refreshToken } }), /^401 unauthenticated|^422 invalid \/refreshToken$/, refreshToken.slice(0, 20))
  assert.equal(await refusal('/v1/sessions/refresh', { method: 'POST', payload: { refreshToken: 'a\u0000' } }), '422 invalid /refreshToken')
})

test('an order', async () => {
  const line = { productId: product, quantity: 1 }
  assert.equal(await order({ items: [] }), '422 invalid /items')
  assert.equal(await order({ items: Array.from({ length: 1_001 }, () => line) }), '422 invalid /items')
  assert.equal(await order({ items: [line, { productId: 'x', quantity: 0, price: 1 }, 'x', {}] }), '422 invalid /items/1/productId /items/1/quantity /items/1/price /items/2 /items/3/productId /items/3/quantity')
  for (const quantity of ['0', '-1', '-0', '1.5', '1e400', '-1e400', '10001', '9007199254740993', '"1"', 'null', '[1]', 'true', '{}']) assert.equal(await order(`{"items":[{"productId":"${product}","quantity":${quantity}}]}`), '422 invalid /items/0/quantity', quantity)
  assert.equal(await order({ items: [line], customerId: missing }), '422 invalid /customerId', 'nobody orders for another')
  assert.equal(await order({ items: [line], total: 1, status: 'paid' }), '422 invalid /total /status')
  assert.equal(await order({ items: [line, { productId: missing, quantity: 1 }] }), '422 unknown-product')
  assert.equal(await order({ items: [{ productId: product.toUpperCase(), quantity: 1 }] }), '422 invalid /items/0/productId', 'one thing has one name')
  for (const key of ['', 'a b', 'ä', 'x'.repeat(256)]) assert.match(await order({ items: [line] }, key), key === '' ? /^400 key-required$/ : /^400 malformed$/, key)
  assert.equal(await refusal('/v1/orders', { method: 'POST', payload: { items: [line] } }), '401 unauthenticated')
  const large = await send('/v1/orders', { method: 'POST', as: access.customer, headers: { 'idempotency-key': 'largest' }, payload: { items: Array.from({ length: 1_000 }, (_, nth) => ({ productId: nth % 2 ? product : other, quantity: 1 })) } })
  assert.deepEqual([large.statusCode, large.json<{ total: number }>().total], [201, 100_000])
  assert.equal(await order({ items: [line] }, 'largest'), '422 key-reused')
})

test('a price', async () => {
  const put = (payload: Sent['payload'], as = access.admin, id = product) => refusal(`/v1/products/${id}/price`, { method: 'PUT', payload, as })
  for (const price of ['-1', '1.5', '1e400', '100000001', '9007199254740993', '"5"', 'null', 'NaN', '0x10']) assert.match(await put(`{"price":${price}}`), price === 'NaN' || price === '0x10' ? /^400 malformed$/ : /^422 invalid \/price$/, price)
  assert.equal(await put({}), '422 invalid /price')
  assert.equal(await put({ price: 5, id: other }), '422 invalid /id')
  assert.equal(await put({ price: 5, stock: 0 }), '422 invalid /stock')
  assert.equal(await put({ price: 5 }, access.customer), '403 forbidden')
  assert.equal(await put({ price: -5 }, access.customer), '403 forbidden', 'who may not is told nothing more')
  assert.equal(await put({ price: 5 }, access.admin, missing), '404 not-found')
  assert.equal((await send(`/v1/products/${other}/price`, { method: 'PUT', payload: '{"price":-0}', as: access.admin })).json<{ price: number }>().price, 0)
})

test('paths and query strings', async () => {
  for (const path of ['/v1/products/ID', '/v1/products/ID/recommendations']) {
    for (const id of ['x', '1', '%00', '%2e', '..%2f..%2fetc', "'%20or%201=1", '%F0%9F%98%80', '__proto__', product.toUpperCase(), `${product}%20`, `%7B${product}%7D`]) assert.equal(await refusal(path.replace('ID', id)), '404 not-found', id)
    assert.equal(await refusal(path.replace('ID', missing)), '404 not-found')
    assert.equal(await refusal(path.replace('ID', '%zz')), '400 malformed')
    assert.equal(await refusal(path.replace('ID', 'a'.repeat(501))), '414 uri-too-long')
  }
  for (const path of ['/v1/orders/ID', '/v1/orders/ID/receipt']) {
    assert.equal(await refusal(path.replace('ID', 'x')), '401 unauthenticated')
    assert.equal(await refusal(path.replace('ID', 'x'), { as: access.customer }), '404 not-found')
    assert.equal(await refusal(path.replace('ID', missing), { as: access.customer }), '404 not-found')
  }
  for (const query of ['limit=0', 'limit=101', 'limit=-1', 'limit=1.5', 'limit=1e9', 'limit=NaN', 'limit=', 'limit=1&limit=2', 'limit[]=1', 'limit=9007199254740993']) assert.match(await refusal(`/v1/products?${query}`), /^422 invalid \/limit/, query)
  for (const query of ['q=%00', `q=${'x'.repeat(101)}`, 'q=a&q=b']) assert.equal(await refusal(`/v1/products?${query}`), '422 invalid /q', query)
  assert.equal(await refusal('/v1/products?q=%ff'), '400 malformed')
  assert.equal(await refusal('/v1/products?__proto__=1&a=1&a=2&constructor=1'), '422 invalid /__proto__ /a /constructor')
  assert.equal(await refusal('/v1/orders?customerId=x', { as: access.customer }), '422 invalid /customerId')
  assert.equal(await refusal(`/v1/products?q=${'%20x'.repeat(3_000)}`), '414 uri-too-long')
  assert.equal(await refusal(`/v1/products?${'a=&'.repeat(2_000)}`), '422 invalid /a')
  for (const q of ["'; drop table products; --", String.raw`\%_`, '$1', '%', '_', '(', '\u0001', '\u202e', '😀'.repeat(50), 'a b c d e f g h i j k l m n o p', "' or ''='"]) assert.equal((await send(`/v1/products?${new URLSearchParams({ q }).toString()}`)).statusCode, 200, q)
  await works()
})

test('cursors that are changed, foreign, or from another list', async () => {
  const cursorOf = async (query: string) => (await send(`/v1/products?limit=2${query}`)).json<{ nextCursor: string }>().nextCursor
  const [all, lamps] = [await cursorOf(''), await cursorOf('&q=lamp')]
  assert.equal((await send(`/v1/products?cursor=${all}&limit=7`)).statusCode, 200)
  for (const cursor of [`${all}x`, all.slice(1), `${all.slice(0, -1)}${all.endsWith('A') ? 'B' : 'A'}`, lamps, '', 'x', '[]', 'null', Buffer.from(JSON.stringify(['', `["${product}"]`])).toString('base64url')]) assert.equal(await refusal(`/v1/products?cursor=${cursor}`), '400 bad-cursor', cursor)
  for (const [url, cursor] of [['/v1/products?q=lamp&cursor=', all], ['/v1/products?q=LAMP&cursor=', lamps], ['/v1/orders?cursor=', all]] as const) assert.equal(await refusal(url + cursor, { as: access.customer }), '400 bad-cursor', url)
  assert.equal(await refusal(`/v1/products?cursor=${'x'.repeat(7_000)}`), '400 bad-cursor')
})

test('tokens that are forged, expired, changed or of no algorithm', async () => {
  const [head = '', body = '', mac = ''] = access.customer.split('.')
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
  const asAdmin = encode({ ...claims, role: 'admin' })
  const signed = (header: object, payload: string, secret: string | Buffer) => { const text = `${encode(header)}.${payload}`; return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}` }
  const ours = { alg: 'HS256', typ: 'at+jwt' }
  const forged = [
    ...['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg) => [`${encode({ alg, typ: 'at+jwt' })}.${asAdmin}.`, `${encode({ alg, typ: 'at+jwt' })}.${asAdmin}.${mac}`]), `${head}.${asAdmin}.${mac}`, `${head}.${asAdmin}.`, `${head}.${asAdmin}`,
    signed(ours, asAdmin, ''), signed(ours, asAdmin, 'secret'), signed(ours, asAdmin, Buffer.alloc(32, 7)), signed({ alg: 'HS512', typ: 'at+jwt' }, asAdmin, Buffer.alloc(32, 7)), signed({ alg: 'RS256', typ: 'at+jwt' }, asAdmin, ''), signed({ ...ours, jwk: { kty: 'oct', k: 'AAAA' } }, asAdmin, Buffer.alloc(3)),
    signed({ ...ours, kid: '../../dev/null' }, asAdmin, ''), signed({ ...ours, crit: ['b64'], b64: false }, asAdmin, ''), access.customer.slice(0, -2), `${access.customer}x`, access.customer.toUpperCase(), 'x', 'a.b.c', '..', '.', 'null', 'x'.repeat(10_000), `${access.customer} ${access.admin}`, `${access.customer},${access.admin}`, encode({ alg: 'dir', enc: 'A128GCM' }) + '....',
  ]
  for (const token of forged) {
    assert.equal(await refusal('/v1/orders', { as: token }), '401 unauthenticated', token.slice(0, 80))
    assert.equal(await refusal(`/v1/products/${product}/price`, { method: 'PUT', payload: { price: 1 }, as: token }), '401 unauthenticated', token.slice(0, 80))
  }
  for (const authorization of ['', 'Bearer', 'Bearer ', access.customer, `Basic ${access.customer}`, `Token ${access.customer}`, `Bearer\t${access.customer}`]) assert.equal(await refusal('/v1/orders', { headers: { authorization } }), '401 unauthenticated', authorization.slice(0, 30))
  assert.equal((await send('/v1/orders', { as: access.customer })).statusCode, 200)
  assert.equal((await send('/v1/products', { as: 'forged' })).statusCode, 200, 'where anybody may call a token means nothing')
  await shop.clock.advance('16m')
  assert.equal(await refusal('/v1/orders', { as: access.customer }), '401 unauthenticated')
  await signInAgain()
  assert.equal((await send('/v1/sessions/current', { method: 'DELETE', as: access.customer })).statusCode, 204)
  assert.equal(await refusal('/v1/orders', { as: access.customer }), '401 unauthenticated')
  await signInAgain()
})

test('methods that a path has not', async () => {
  for (const [method, url, allow] of [['DELETE', '/v1/products', 'GET, HEAD, OPTIONS'], ['GET', '/v1/users', 'POST, OPTIONS'], ['POST', `/v1/products/${product}/price`, 'PUT, OPTIONS'], ['PUT', '/v1/orders', 'POST, GET, HEAD, OPTIONS'], ['GET', '/v1/sessions/current', 'DELETE, OPTIONS']] as const) {
    const answer = await send(url, { method })
    assert.deepEqual([answer.statusCode, problemOf(answer).code, answer.headers['allow']], [405, 'method-not-allowed', allow], `${method} ${url}`)
    assert.equal((await server.inject({ method: 'OPTIONS', url })).headers['allow'], allow)
  }
  assert.equal(await refusal('/v1/admin', { method: 'POST', payload: {} }), '404 not-found')
})

test('over a real connection: garbage, too much, too deep, and then a good request', async () => {
  await server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.addresses()[0] as { port: number }
  const answerTo = (bytes: string) => new Promise<ReturnType<typeof responseOf>>((resolve) => {
    let got = ''
    const socket = connect(port, '127.0.0.1', () => { socket.write(bytes) }).on('data', (part) => { got += part.toString('latin1') }).on('error', () => {}).on('close', () => resolve(responseOf(got)))
  })
  const head = (length: number) => `POST /v1/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n`
  const deep = '['.repeat(200_000)
  for (const [bytes, status, code] of [
    ['\u0016\u0003\u0001\u0002\u0000', 400, 'malformed'], ['GET /v1/products HTTP/1.1\r\nhost: x\r\ncookie: ' + 'x'.repeat(100_000), 431, 'headers-too-large'], [`GET /v1/products?q=${'x'.repeat(100_000)} HTTP/1.1\r\n`, 414, 'uri-too-long'],
    [`${head(deep.length)}${deep}`, 400, 'malformed'], [head(2 * 1024 ** 2), 413, 'too-large'], ['GET /v1/products/../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 404, 'not-found'], ['GET /v1/products/.. HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 404, 'not-found'],
  ] as const) {
    const answer = await answerTo(bytes)
    assert.deepEqual([answer.statusCode, problemOf(answer).code], [status, code], bytes.slice(0, 60))
  }
  assert.equal((await answerTo('GET /v1/products?limit=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')).statusCode, 200)
})
