import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ann, known, late, probe, type Probe } from '../../test/support/probe.ts'
import { problemOf, responseOf } from '../../test/support/problems.ts'
import { securityHeaders } from './answer.ts'

/** What a connection answers to these bytes, until the server ends it. */
async function answerTo(running: Probe, bytes: string) {
  const connection = await running.open()
  connection.send(bytes)
  return responseOf(await connection.ended)
}
const get = (url: string, ...headers: string[]) => `GET ${url} HTTP/1.1\r\nhost: x\r\n${headers.map((header) => `${header}\r\n`).join('')}connection: close\r\n\r\n`
const post = (...headers: string[]) => `POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`

test('what is no HTTP is refused with a problem document, and the connection ended', async () => {
  await using running = await probe()
  const cases: [sent: string, status: number, code: string][] = [
    ['garbage\r\n\r\n', 400, 'malformed'], ['\u0000\u0001\u0002\r\n\r\n', 400, 'malformed'], ['GET /v1/things HTTP/9.9\r\nhost: x\r\n\r\n', 400, 'malformed'],
    ['GET /v1/things HTTP/1.1\r\nhost: x\r\nbad header: 1\r\n\r\n', 400, 'malformed'], ['GET /v1/things HTTP/1.1\r\nhost: x\r\nx: a\u0000b\r\n\r\n', 400, 'malformed'], ['NOSUCH /v1/things HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'malformed'],
    [post('content-length: 2', 'transfer-encoding: chunked'), 400, 'malformed'], [post('content-length: 2', 'content-length: 3'), 400, 'malformed'], [post('content-length: -1'), 400, 'malformed'], [post('content-length: 1e3'), 400, 'malformed'],
    [post('transfer-encoding: gzip'), 400, 'malformed'], [`${post('transfer-encoding: chunked', 'connection: close')}zz\r\n`, 400, 'malformed'], [`${post('transfer-encoding: chunked')}1;${'x'.repeat(20_000)}\r\n`, 413, 'too-large'],
    [`GET /v1/things HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers-too-large'], [`GET /v1/things HTTP/1.1\r\nhost: x\r\n${'x: a\r\n'.repeat(5_000)}\r\n`, 431, 'headers-too-large'], [`GET /v1/things HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(500_000)}`, 431, 'headers-too-large'],
    [`GET /v1/things?q=${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 414, 'uri-too-long'], [`GET /${'a'.repeat(500_000)}`, 414, 'uri-too-long'], [get(`/v1/things?q=${'a'.repeat(10_000)}`), 414, 'uri-too-long'],
    ['GET /v1/things HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'malformed'],
  ]
  for (const [sent, status, code] of cases) {
    const answer = await answerTo(running, sent)
    const what = JSON.stringify(sent.slice(0, 80))
    assert.equal(answer.statusCode, status, what)
    assert.equal(problemOf(answer).code, code, what)
    for (const [name, value] of Object.entries(securityHeaders)) assert.equal(answer.headers[name], value, `${name} of ${what}`)
    assert.match(String(answer.headers['x-request-id']), /^[0-9a-f]{32}$/)
    assert.equal(Number(answer.headers['content-length']), Buffer.byteLength(answer.body))
  }
  assert.equal((await running.server.inject('/v1/things')).statusCode, 200)
  assert.ok(running.lines.filter((line) => /"status":(400|413|414|431)/.test(line)).length >= cases.length, 'each is in the log')
})

test('odd requests that HTTP allows are answered as any other', async () => {
  await using running = await probe()
  for (const [sent, status] of [
    [get(`http://other.example/v1/things/${known}`), 200], [get(`/v1/things/${known}`, 'expect: miracles'), 200], [get(`/v1/things/${known}`, 'upgrade: websocket'), 200], [get(`/v1/things/${known}`, 'accept-version: 9.9.9'), 200],
    [`GET /v1/things/${known} HTTP/1.0\r\n\r\n`, 200], [`\r\n\r\n${get(`/v1/things/${known}`)}`, 200], [get('/v1/things/..'), 404], [get('/v1/things/../..'), 404], [get('/v1/things/%2e%2e'), 404], [get('/v1/things/%2e%2e%2f%2e%2e'), 404], [get('/v1/../openapi.json'), 404],
    [get('*'), 404], [get('/v1/things/\u00e9'), 400], [get(`/v1/things#/${known}`), 422], [get(`/v1/things/${known};a=b`), 404], [get('/v1/things/%'), 400],
    [`POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n15\r\n"name":"lamp","count"\r\n3\r\n:1}\r\n0\r\n\r\n`, 201],
    [`POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{"name":"lamp"}`, 100],
  ] as const) {
    const answer = await answerTo(running, sent)
    assert.equal(answer.statusCode, status, sent.slice(0, 80))
    if (status >= 400) problemOf(answer)
  }
  assert.equal(problemOf(await answerTo(running, 'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n')).code, 'method-not-allowed', 'no tunnel')
})

test('a body that is too large is refused before it is sent, and as soon as it is', async () => {
  await using running = await probe()
  const declared = await answerTo(running, post('content-length: 10000000'))
  assert.deepEqual([declared.statusCode, problemOf(declared).code, declared.headers['connection']], [413, 'too-large', 'close'])
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
  const streamed = await answerTo(running, `${post('transfer-encoding: chunked')}${chunk.repeat(6)}`)
  assert.deepEqual([streamed.statusCode, problemOf(streamed).code], [413, 'too-large'])
})

test('a client whose headers or body never end is ended by a limit', async () => {
  await using headers = await probe({ headersMs: 150, requestMs: 60_000 })
  await using bodies = await probe({ headersMs: 150, requestMs: 300 })
  const [silent, noEnd, drip, noBody] = await Promise.all([headers.open(), headers.open(), headers.open(), bodies.open()])
  noEnd.send('GET /v1/things HTTP/1.1\r\nhost: x\r\nx-slow: ')
  drip.send('GET /v1/things HTTP/1.1\r\nhost: x\r\n')
  noBody.send(`${post('content-length: 100')}{"name":`)
  const dripping = setInterval(() => drip.send('x: y\r\n'), 20)
  try {
    for (const answer of [await noEnd.ended, await noBody.ended, await drip.ended, await silent.ended].map(responseOf)) {
      assert.deepEqual([answer.statusCode, problemOf(answer).code], [408, 'request-timeout'])
      assert.match(problemOf(answer).detail, /in time/)
    }
  } finally {
    clearInterval(dripping)
  }
  for (const { server } of [headers, bodies]) assert.equal((await server.inject('/v1/things')).statusCode, 200)
})

test('a client that takes nothing of its answer is not waited for', async () => {
  await using running = await probe({ idleMs: 400 })
  const cut = new Promise<void>((resolve) => { running.server.server.once('connection', (socket) => socket.on('close', () => resolve())) })
  const asleep = await running.open()
  asleep.socket.pause()
  asleep.send(get('/v1/large'))
  await cut
  asleep.socket.resume()
  assert.ok((await asleep.ended).length < 32 * 1024 ** 2)
  assert.equal((await running.server.inject('/v1/things')).statusCode, 200)
})

test('connections have a limit: one more is closed, and those that are there go on', async () => {
  await using running = await probe({ connectionsMax: 2 })
  const [first, second] = [await running.open(), await running.open()]
  for (const connection of [first, second]) {
    connection.send(`GET /v1/things/${known} HTTP/1.1\r\nhost: x\r\n\r\n`)
    assert.match(await connection.until('lamp'), /200 OK/)
  }
  const third = await running.open()
  third.send(get('/v1/things'))
  assert.equal(await third.ended, '')
  first.send(get('/v1/things'))
  assert.match(await first.ended, /"nth":19/)
})

test('garbage behind a request ends the connection, and harms neither the process nor anyone else', async () => {
  await using running = await probe()
  late.gate = Promise.withResolvers<void>()
  const [pipelined, other] = await Promise.all([running.open(), running.open()])
  other.send('GET /v1/late HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  pipelined.send(`GET /v1/late HTTP/1.1\r\nhost: x\r\n\r\nGARBAGE\r\n\r\n${get('/v1/things')}`)
  assert.equal(responseOf(await pipelined.ended).statusCode, 400)
  late.gate.resolve()
  assert.equal(responseOf(await other.ended).statusCode, 200)
  const many = await running.open()
  many.send(`GET /v1/things/${known} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(50) + get('/v1/nope'))
  const answers = await many.ended
  assert.equal(answers.split('HTTP/1.1 200 OK').length - 1, 50, 'requests in one burst are answered one by one')
  assert.match(answers, /HTTP\/1\.1 404 /)
})

test('a client that leaves halfway is no fault of ours', async () => {
  await using running = await probe()
  late.gate = Promise.withResolvers<void>()
  const [halfBody, halfHead, waiting] = await Promise.all([running.open(), running.open(), running.open()])
  halfBody.send(`${post('content-length: 100')}{"name":`)
  halfHead.send('GET /v1/things HTTP/1.1\r\nho')
  waiting.send('GET /v1/late HTTP/1.1\r\nhost: x\r\n\r\n')
  // What was sent has been read once this answer is here.
  await answerTo(running, get('/v1/things'))
  const left = Promise.all([halfBody, halfHead, waiting].map(({ ended }) => ended))
  for (const { socket } of [halfBody, halfHead, waiting]) socket.resetAndDestroy()
  await left
  late.gate.resolve()
  assert.equal((await answerTo(running, get('/v1/others', `authorization: ${ann}`))).statusCode, 200)
  assert.deepEqual(running.lines.filter((line) => /"level":"error"|"status":5/.test(line)), [])
})
