import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ann, known, probe, type Probe } from '../../test/support/probe.ts'
import { problemOf } from '../../test/support/problems.ts'

const json = { 'content-type': 'application/json' }
const post = ({ server }: Probe, payload: string | Buffer, headers: Record<string, string> = json) => server.inject({ method: 'POST', url: '/v1/things', headers, payload })

test('a body that is no JSON in UTF-8 is 400, one that is too large 413, one of another type 415', async () => {
  await using running = await probe()
  for (const body of [' ', '{', '{"name":}', "{'name':'x'}", '{"name":"a\nb"}', '{"name":"\\x"}', '[1,]', 'NaN', '{"a":1}{"b":2}', '{"a":1e}', '\u0000', '﻿', '﻿﻿{}', '{"name":"lamp"} x']) {
    assert.equal(problemOf(await post(running, body)).code, 'malformed', JSON.stringify(body))
  }
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
    const answer = await post(running, Buffer.concat([Buffer.from('{"name":"'), Buffer.from(bytes), Buffer.from('"}')]))
    assert.match(problemOf(answer).detail, /UTF-8/, Buffer.from(bytes).toString('hex'))
  }
  for (const type of ['text/plain', 'application/xml', 'application/json-patch+json', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'x', '/', 'application/jsonx', ';charset=utf-8', 'application/json,text/plain']) {
    assert.equal(problemOf(await post(running, '{"name":"lamp"}', { 'content-type': type })).status, 415, type)
  }
  assert.equal(problemOf(await running.server.inject({ method: 'POST', url: '/v1/things', payload: Buffer.from('{}') })).code, 'unsupported-media-type', 'a body of no type')
  assert.equal(problemOf(await post(running, gzipSync('{"name":"lamp"}'), { ...json, 'content-encoding': 'gzip' })).code, 'unsupported-media-type', 'what is packed is not unpacked')
  assert.equal((await post(running, '{"name":"lamp"}', { ...json, 'content-encoding': 'Identity' })).statusCode, 201)
  for (const type of ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;charset=UTF-8']) assert.equal((await post(running, '{"name":"lamp"}', { 'content-type': type })).statusCode, 201, type)
  assert.equal(problemOf(await post(running, JSON.stringify({ name: 'x'.repeat(64 * 1024) }))).code, 'too-large')
})

test('a body is no deeper than a hundred levels, whatever stands in its texts', async () => {
  await using running = await probe({ bodyBytesMax: 2 * 1024 ** 2 })
  const deep = (levels: number) => `{"name":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
  assert.equal(problemOf(await post(running, deep(100))).code, 'invalid')
  for (const levels of [101, 1_000, 100_000]) assert.match(problemOf(await post(running, deep(levels))).detail, /100 levels/, String(levels))
  assert.equal(problemOf(await post(running, `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)).code, 'malformed')
  assert.equal(problemOf(await post(running, '['.repeat(100_000))).code, 'malformed')
  for (const name of ['['.repeat(100), '"{'.repeat(50), '\\"['.repeat(33), `${'\\'.repeat(9)}"${'['.repeat(90)}`]) assert.equal((await post(running, JSON.stringify({ name }))).statusCode, 201, name.slice(0, 10))
  assert.equal(problemOf(await post(running, JSON.stringify({ x: '"['.repeat(300) }))).code, 'invalid', 'a quotation mark in a text does not end it')
  assert.equal(problemOf(await post(running, JSON.stringify({ x: Array.from({ length: 300 }, () => [{}]) }))).code, 'invalid', 'what is closed again is not deep')
})

test('a body that does not fit its schema is told every fault', async () => {
  await using running = await probe()
  const faults = async (body: string) => (problemOf(await post(running, body)).errors ?? []).map(({ path, message }) => `${path} ${message}`)
  assert.deepEqual(await faults('{}'), ['/name is required'])
  for (const body of ['null', '[]', '"x"', '1', 'true']) assert.deepEqual(await faults(body), [' must be an object'])
  assert.deepEqual(await faults('{"name":"x","count":-1,"admin":true,"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}},"toString":1,"a/b~c":1}'), [
    '/name must have at least 2 characters', '/count must be at least 0', '/admin is not a field of this request', '/__proto__ is not a field of this request', '/constructor is not a field of this request', '/toString is not a field of this request', '/a~1b~0c is not a field of this request',
  ])
  for (const [count, message] of [['1e400', 'must be a whole number'], ['-1e400', 'must be a whole number'], ['9007199254740993', 'must be at most 10'], ['1.5', 'must be a whole number'], ['"1"', 'must be a whole number'], ['null', 'must be a whole number'], ['[1]', 'must be a whole number'], ['{}', 'must be a whole number']]) {
    assert.deepEqual(await faults(`{"name":"lamp","count":${count}}`), [`/count ${message}`], count)
  }
  assert.equal((await post(running, '{"name":"lamp","count":-0}')).statusCode, 201)
  for (const name of ['"\\u0000\\u0000"', '"a\\ud800"', '"\\udc00b"', '"\\ud800\\ud800"']) assert.deepEqual(await faults(`{"name":${name}}`), ['/name must not hold U+0000 or half of a surrogate pair'], name)
  assert.equal((await post(running, '{"name":"\\ud83d\\ude00\\u0001\\ufffe"}')).statusCode, 201, 'a whole pair is a character, and so is a control')
  assert.equal((Object.prototype as Record<string, unknown>)['admin'], undefined)
})

test('a query string is read by its schema: what is doubled, unknown, absurd or not decodable is refused', async () => {
  await using running = await probe()
  const ask = (query: string) => running.server.inject(`/v1/things?${query}`)
  for (const [query, ...paths] of [
    ['limit=0', '/limit'], ['limit=101', '/limit'], ['limit=-1', '/limit'], ['limit=', '/limit'], ['limit=abc', '/limit'], ['limit=1.5', '/limit'], ['limit=1e1', '/limit'], ['limit=0x10', '/limit'], ['limit=NaN', '/limit'], ['limit=Infinity', '/limit'],
    ['limit=9007199254740993', '/limit'], ['limit=%D9%A1', '/limit'], ['limit=1&limit=2', '/limit'], ['limit[]=1', '/limit[]'], ['limit=-0', '/limit'], ['weight=1e400', '/weight'], ['weight=-0.1', '/weight'], ['old=yes', '/old'], ['old=TRUE', '/old'],
    ['q=a&q=b', '/q'], ['q=%00', '/q'], [`q=${'a'.repeat(101)}`, '/q'], ['__proto__=1', '/__proto__'], ['constructor=1&hasOwnProperty=2', '/constructor', '/hasOwnProperty'], ['nothing', '/nothing'], ['=x', '/'], ['limit=0&old=1&x=1', '/old', '/limit', '/x'],
  ] as const) assert.deepEqual((problemOf(await ask(query)).errors ?? []).map(({ path }) => path), paths, query)
  for (const query of ['q=%', 'q=%zz', 'q=%ff', 'q=%c0%af', 'q=%ed%a0%80', '%ff=1']) assert.equal(problemOf(await ask(query)).code, 'malformed', query)
  for (const query of ['', 'limit=007', 'limit=100', 'limit=5.0', 'old=true', 'weight=0.5', 'weight=-0', 'q=%F0%9F%98%80+%2B', 'q=', '&&', '?']) {
    const { statusCode } = await ask(query)
    assert.equal(statusCode, query === '?' ? 422 : 200, query)
  }
  const many = problemOf(await ask(Array.from({ length: 1_000 }, (_, index) => `p${index}=1`).join('&')))
  assert.equal(many.errors?.length, 100)
})

test('a body with a GET means nothing; a path is read by its schema', async () => {
  await using running = await probe()
  assert.equal((await running.server.inject({ method: 'GET', url: `/v1/things/${known}`, headers: json, payload: '{' })).statusCode, 200)
  for (const payload of [undefined, '']) {
    assert.equal(problemOf(await running.server.inject({ method: 'DELETE', url: `/v1/things/${known}`, headers: { ...json, authorization: ann }, ...(payload === undefined ? {} : { payload }) })).code, 'forbidden', 'no body is no fault')
    assert.deepEqual(problemOf(await running.server.inject({ method: 'POST', url: '/v1/things', headers: json, ...(payload === undefined ? {} : { payload }) })).errors, [{ path: '/name', message: 'is required' }])
  }
  for (const id of ['x', '..%2f..%2fetc%2fpasswd', known.slice(1), `${known}0`, 'constructor', '__proto__', '%F0%9F%98%80', 'ABCDEF00-0000-8000-8000-000000000001', '']) {
    const { code, detail } = problemOf(await running.server.inject(`/v1/things/${id}`))
    assert.deepEqual([code, detail.endsWith(': id must be a UUID in small letters.')], ['not-found', true], `${id}: what nothing can be named is the name of nothing`)
  }
  assert.equal(problemOf(await running.server.inject('/v1/things/%00')).code, 'not-found')
  const missing = await running.server.inject(`/v1/things/${known.replace('1', '2')}`)
  assert.equal(problemOf(missing).code, 'not-found')
  assert.equal(missing.headers['retry-after'], '2')
  const renamed = await running.server.inject({ method: 'PUT', url: `/v1/things/${known}`, headers: { authorization: ann }, payload: { id: known.replace('1', '3'), owner: 'me', name: 'x' } })
  assert.deepEqual(problemOf(renamed).errors, [{ path: '/owner', message: 'is not a field of this request' }, { path: '/id', message: 'is given by the path' }])
})

test('who may not call learns nothing about the rest of the request', async () => {
  await using running = await probe()
  const requests = [
    { method: 'POST', url: '/v1/keyed', payload: {} }, { method: 'PUT', url: '/v1/things/nobody', payload: { owner: 'me' } }, { method: 'PUT', url: `/v1/things/${known}` },
    { method: 'GET', url: '/v1/others?cursor=forged&limit=x' }, { method: 'DELETE', url: `/v1/things/x?y=%ff` },
  ] as const
  for (const request of requests) {
    const answer = await running.server.inject(request)
    assert.deepEqual([answer.statusCode, problemOf(answer).code, answer.headers['www-authenticate']], [401, 'unauthenticated', 'Bearer'], request.url)
    for (const authorization of ['Bearer x', 'Basic eDp5', ann.toLowerCase().replace('ann', 'bob')]) assert.equal((await running.server.inject({ ...request, headers: { authorization } })).statusCode, 401)
  }
  assert.equal(problemOf(await running.server.inject({ method: 'DELETE', url: `/v1/things/x?y=1`, headers: { authorization: ann } })).code, 'forbidden', 'a role is asked for before the input is read')
})

test('an idempotency key is 1 to 255 visible characters', async () => {
  await using running = await probe()
  const ask = (key: string | string[] | undefined) => running.server.inject({ method: 'POST', url: '/v1/keyed', headers: { authorization: ann, ...(key === undefined ? {} : { 'idempotency-key': key as string }) }, payload: { x: 1 } })
  for (const key of [undefined, '']) assert.deepEqual([problemOf(await ask(key)).status, problemOf(await ask(key)).code], [400, 'key-required'])
  for (const key of ['a b', 'ä', 'x'.repeat(256), '\u0001', 'a\tb', ['a', 'b']]) assert.equal(problemOf(await ask(key)).code, 'malformed', String(key))
  for (const key of ['x', 'x'.repeat(255), '"{}\'--;']) assert.equal(problemOf(await ask(key)).code, 'invalid', 'the key is good, and the body is looked at')
})
