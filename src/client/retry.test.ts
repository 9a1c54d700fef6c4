import assert from 'node:assert/strict'
import { test } from 'node:test'
import { movableClock } from '../testing/clock.ts'
import { type ClientOptions, createClient, NoAnswerError, ProblemError } from './client.ts'
import { retryAfterMs } from './retry.ts'

type Call = (route: string, input: object, options?: { idempotencyKey?: string; repeatable?: boolean; signal?: AbortSignal }) => Promise<unknown>
type Fate = 'lost' | 'unreached' | { status: number; code?: string; headers?: Record<string, string> }
const ok: Fate = { status: 200 }

/** A server with a list of fates, one for each request that reaches it; and a clock on which every pause is over at once. */
function server(fates: Fate[], options: Partial<ClientOptions> = {}) {
  const keys: (string | undefined)[] = []
  const pauses: number[] = []
  const clock = movableClock()
  const call = createClient({
    baseUrl: '', clock: { ...clock, sleep: async (delayMs) => { pauses.push(delayMs) } }, ...options,
    async fetch(_url, { headers }) {
      keys.push((headers as Record<string, string>)['idempotency-key'])
      const fate = fates.shift() ?? ok
      if (fate === 'lost') throw new TypeError('fetch failed')
      if (fate === 'unreached') throw new TypeError('fetch failed', { cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }) })
      return new Response(JSON.stringify(fate.status < 400 ? { done: true } : { code: fate.code, status: fate.status, detail: 'no' }), { status: fate.status, headers: { 'content-type': 'application/json', ...fate.headers } })
    },
  }) as unknown as Call // any route
  return { call, keys, pauses }
}

test('what may be sent again is, with one key; what may not, is not', async () => {
  const cases: [route: string, key: string | undefined, fate: Fate, sent: number][] = [
    ['GET /a', undefined, 'lost', 2], ['PUT /a', undefined, 'lost', 2], ['DELETE /a', undefined, 'lost', 2], ['POST /a', 'mine', 'lost', 2], ['POST /a', undefined, 'lost', 1], ['PATCH /a', undefined, 'lost', 1], ['POST /a', undefined, 'unreached', 2],
    ['POST /a', undefined, { status: 429, code: 'rate-limited' }, 2], ['POST /a', undefined, { status: 503, code: 'overloaded' }, 2], ['POST /a', undefined, { status: 503, code: 'dependency-unavailable' }, 1],
    ['POST /a', 'mine', { status: 503, code: 'dependency-unavailable' }, 2], ['POST /a', 'mine', { status: 409, code: 'in-progress' }, 2], ['POST /a', 'mine', { status: 409, code: 'short-stock' }, 1],
    ['POST /a', 'mine', { status: 504, code: 'outcome-unknown' }, 2], ['GET /a', undefined, { status: 404, code: 'not-found' }, 1], ['GET /a', undefined, { status: 500, code: 'internal' }, 1], ['GET /a', undefined, { status: 504, code: 'timeout' }, 2],
  ]
  for (const [route, idempotencyKey, fate, sent] of cases) {
    const { call, keys } = server([fate])
    const answer = await call(route, {}, idempotencyKey === undefined ? {} : { idempotencyKey }).catch((error: unknown) => error)
    assert.equal(keys.length, sent, `${route} ${idempotencyKey} ${JSON.stringify(fate)}`)
    assert.equal(new Set(keys).size, 1, 'the key stays the same')
    if (sent === 2) assert.deepEqual(answer, { done: true })
    else assert.ok(answer instanceof (fate === 'lost' ? NoAnswerError : ProblemError))
  }
})

test('each POST and PATCH has a key of its own; once a route has answered for it, a lost one is sent again', async () => {
  const { call, keys } = server([{ status: 201, headers: { 'idempotency-key': 'kept' } }, 'lost', ok, 'lost'])
  await call('POST /orders', {})
  await call('POST /orders', {})
  await assert.rejects(call('POST /elsewhere', {}), NoAnswerError)
  assert.equal(keys.length, 4)
  assert.deepEqual([keys[1], new Set(keys).size], [keys[2], 3])
  await call('GET /orders', {})
  assert.equal(keys.at(-1), undefined)
})

test('what does no harm twice is sent again, where the caller says so', async () => {
  const { call, keys } = server(['lost', { status: 503, code: 'draining' }, ok])
  assert.deepEqual(await call('POST /sessions', {}, { repeatable: true }), { done: true })
  assert.equal(keys.length, 3)
})

test('Retry-After is waited for, unless that is too long; the tries have an end', async () => {
  const busy = (seconds: string): Fate => ({ status: 503, code: 'overloaded', headers: { 'retry-after': seconds } })
  const one = server([busy('7')])
  await one.call('GET /a', {})
  assert.ok(one.pauses.length === 1 && (one.pauses[0] ?? 0) >= 7_000 && (one.pauses[0] ?? 0) < 7_200, String(one.pauses))
  const late = server([busy('31')])
  await assert.rejects(late.call('GET /a', {}), /503 overloaded/)
  const never = server(Array.from({ length: 9 }, () => 'lost' as const), { tries: 3 })
  await assert.rejects(never.call('GET /a', {}), /GET \/a was not answered \(3 tries\): fetch failed/)
  assert.equal(never.keys.length, 3)
  const now = Date.parse('2026-11-25T12:00:00Z')
  assert.deepEqual([retryAfterMs('2', 0), retryAfterMs('Wed, 25 Nov 2026 12:00:30 GMT', now), retryAfterMs('soon', 0), retryAfterMs(null, 0), retryAfterMs('-5', 0)], [2_000, 30_000, undefined, undefined, 0])
})

test('who gives up is not kept waiting; a server that says nothing is given up on', async () => {
  const controller = new AbortController()
  const clock = movableClock()
  const hang = (_url: string, { signal }: RequestInit) => new Promise<Response>((_, reject) => {
    const end = () => reject(signal?.reason as Error)
    if (signal?.aborted) end()
    else signal?.addEventListener('abort', end)
  })
  const call = createClient({ baseUrl: '', fetch: hang, clock, tries: 1 }) as unknown as Call // any route
  const given = call('GET /a', {}, { signal: controller.signal })
  controller.abort(new Error('never mind'))
  await assert.rejects(given, /never mind/)
  const silent = call('GET /a', {})
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  clock.move(30_001)
  await assert.rejects(silent, /GET \/a was not answered \(1 try\): no answer in 30000 ms/)
})
