import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ann, known, probe } from '../../test/support/probe.ts'
import { problemOf } from '../../test/support/problems.ts'
import { networkOf } from './limited.ts'

test('an address is limited whatever it asks for, and told in the fields', async () => {
  await using running = await probe({ perAddress: '8/min' })
  const { server, clock } = running
  const asked = [
    { url: '/v1/things' }, { url: '/nowhere' }, { method: 'PATCH', url: '/v1/things' }, { method: 'POST', url: '/v1/keyed', headers: { 'content-type': 'application/json' }, payload: '{' }, { url: '/openapi.json' },
    { method: 'PUT', url: `/v1/things/${known}` }, { method: 'HEAD', url: '/v1/things', headers: { 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' } },
  ] as const
  for (const [nth, request] of asked.entries()) {
    const { headers } = await server.inject(request)
    assert.deepEqual([headers['ratelimit-policy'], headers['ratelimit']], ['"address";q=8;w=60', `"address";r=${7 - nth};t=60`], request.url)
    assert.equal(headers['retry-after'], undefined)
  }
  clock.move(20_000)
  assert.equal((await server.inject('/v1/things')).headers['ratelimit'], '"address";r=0;t=40')
  for (const request of asked) {
    const refused = await server.inject(request)
    assert.deepEqual([refused.statusCode, refused.headers['retry-after'], refused.headers['ratelimit-policy'], refused.headers['ratelimit']], [429, '40', '"address";q=8;w=60', '"address";r=0;t=40'], request.url)
    if (refused.body) assert.deepEqual([problemOf(refused).code, problemOf(refused).detail], ['rate-limited', 'Too many requests from this address: at most 8 in 60 s; try again in 40 s.'])
  }
  assert.equal((await server.inject({ url: '/v1/things', remoteAddress: '1.2.3.4' })).statusCode, 200, 'another address has its own')
  clock.move(40_000)
  assert.equal((await server.inject('/v1/things')).statusCode, 200)
})

test('a route has limits of its own, by address and by a field, each under its own name', async () => {
  await using running = await probe({ perAddress: '600/min' })
  const add = (name: unknown, remoteAddress = '127.0.0.1') => running.server.inject({ method: 'POST', url: '/v1/things', payload: { name }, remoteAddress })
  const first = await add('Ann Lee')
  assert.deepEqual([first.statusCode, first.headers['ratelimit-policy'], first.headers['ratelimit']], [201, '"address";q=600;w=60, "route-address";q=20;w=60, "route-name";q=3;w=60', '"address";r=599;t=60, "route-address";r=19;t=60, "route-name";r=2;t=60'])
  for (const name of ['  ann lee ', 'ANN\u00a0 \tLEE']) assert.equal((await add(name)).statusCode, 201)
  for (const name of ['Ann Lee', 'aNN lEE', '\u2003ann  lee\n', 'Ａｎｎ Ｌｅｅ']) {
    const refused = await add(name, '10.0.0.1')
    assert.deepEqual([refused.statusCode, problemOf(refused).detail, refused.headers['retry-after']], [429, 'Too many requests for this name: at most 3 in 60 s; try again in 60 s.', '60'], name)
  }
  assert.equal((await add('ann')).statusCode, 201)
  for (const name of [1, null, ['x'], '']) assert.equal((await add(name)).statusCode, 422)
  for (let nth = 0; nth < 12; nth++) assert.equal((await add(`other ${nth}`)).statusCode, 201)
  assert.match(problemOf(await add('one more')).detail, /from this address: at most 20/)
  assert.equal((await add('one more', '10.0.0.2')).statusCode, 201)
})

test('a caller has a limit of their own', async () => {
  await using running = await probe({ perAddress: '600/min' })
  const rename = () => running.server.inject({ method: 'PUT', url: `/v1/things/${known}`, headers: { authorization: ann }, payload: { name: 'x' } })
  assert.match(String((await rename()).headers['ratelimit']), /"route-caller";r=1;t=1$/)
  await rename()
  assert.equal(problemOf(await rename()).status, 429)
  running.clock.move(1_000)
  assert.equal((await rename()).statusCode, 200)
})

test('an IPv6 subscriber is one address, and so is IPv4 however it is written', () => {
  for (const [address, network] of [
    ['127.0.0.1', '127.0.0.1'], ['::ffff:10.1.2.3', '10.1.2.3'], ['::1', '0:0:0:0::/64'], ['::', '0:0:0:0::/64'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'], ['2001:DB8:1:2::', '2001:db8:1:2::/64'], ['2001:0db8::9', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'], ['1:2:3::8', '1:2:3:0::/64'], ['1::3:4:5:6:7:8', '1:0:3:4::/64'], ['not an address', 'not an address'],
  ] as const) assert.equal(networkOf(address), network, address)
})
