import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ann, known, probe } from '../../test/support/probe.ts'

const parse = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ message }) => message === 'request')

test('each answer is one line, with what on-call needs and with nothing that a client sent', async () => {
  await using running = await probe()
  await running.server.inject({ url: `/v1/things/${known}?q=private-search`, headers: { authorization: ann, cookie: 'session=private-cookie', 'user-agent': 'private-agent' } })
  await running.server.inject({ method: 'POST', url: '/v1/things', headers: { authorization: ann }, payload: { name: 'private-name', password: 'private-password' } })
  await running.server.inject('/private-path/private?private=1')
  await running.server.inject('/v1/things/%zz-private')
  const lines = parse(running.lines)
  assert.deepEqual(lines.map(({ method, route, status }) => [method, route, status]), [['GET', '/v1/things/:id', 422], ['POST', '/v1/things', 422], ['GET', 'none', 404], ['GET', 'none', 400]])
  for (const line of lines) {
    assert.deepEqual(Object.keys(line).toSorted(), ['address', 'duration_ms', 'level', 'message', 'method', 'request_id', 'route', 'status', 'time', 'trace_id'])
    assert.ok(Number(line['duration_ms']) >= 0 && line['address'] === '127.0.0.1' && /^[0-9a-f]{32}$/.test(String(line['request_id'])))
  }
  const everything = running.lines.join('') + running.platform.metrics.text()
  assert.doesNotMatch(everything, /private|Bearer/)
})

test('metrics have a series for each route, however many URLs are asked for', async () => {
  await using running = await probe()
  for (let nth = 0; nth < 300; nth++) {
    await running.server.inject(`/v1/things/${nth}`)
    await running.server.inject(`/nowhere/${nth}?x=${nth}`)
    await running.server.inject({ method: (['PURGE', 'MKCOL', 'LOCK', 'PROPFIND'] as const)[nth % 4] as 'GET', url: `/${nth}` })
    await running.server.inject({ method: 'OPTIONS', url: `/v1/things/${nth}` })
    await running.server.inject(`/%zz${nth}`)
  }
  const text = running.platform.metrics.text()
  const series = text.split('\n').filter((line) => line.startsWith('http_server_request_duration_seconds_count'))
  assert.deepEqual(series.map((line) => line.replace(/^[^{]+/, '')).toSorted(), [
    '{http_request_method="GET",http_route="/v1/things/:id",http_response_status_code="404"} 300', '{http_request_method="GET",http_route="none",http_response_status_code="400"} 300',
    '{http_request_method="GET",http_route="none",http_response_status_code="404"} 300', '{http_request_method="OPTIONS",http_route="none",http_response_status_code="204"} 300',
    '{http_request_method="_OTHER",http_route="none",http_response_status_code="404"} 300',
  ].toSorted())
  assert.ok(text.length < 40_000, `${text.length} characters of metrics`)
})
