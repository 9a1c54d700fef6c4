/** Postgres alone dies, under load: who asks is told so in time, and the shop brings it back by itself. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ask, customer, type Problem, products } from './client.ts'
import { keepAliveClient, type Outcome, type Sent } from './keep-alive.ts'
import { postmasterOf, processesOf } from './processes.ts'
import { chance } from './seed.ts'
import { dataDirectory, finished, type Shop, startShop, until } from './shop.ts'

const clientCount = 8
/** Of any answer while there is no database, in milliseconds: a route's own limit, and what a busy machine adds. */
const answerMs = 8_000

interface Seen { readonly outcome: Outcome; readonly tookMs: number }

/** Readers who go on until told to stop: of what is cached, of what is not, and of what only the primary may answer. */
function readers(context: TestContext, shop: Shop, next: () => Sent): { readonly seen: Seen[]; stop(): Promise<void> } {
  const seen: Seen[] = []
  let stopped = false
  const clients = Array.from({ length: clientCount }, () => keepAliveClient(shop.urls.web))
  context.after(() => { stopped = true; for (const client of clients) client.close() })
  const ended = clients.map(async (client) => {
    while (!stopped) {
      const began = performance.now()
      const outcome = await client.send(next())
      seen.push({ outcome, tookMs: performance.now() - began })
    }
  })
  return { seen, stop: async () => { stopped = true; await Promise.all(ended) } }
}

const isGood = ({ outcome }: Seen) => outcome.kind === 'answered' && outcome.status === 200

/** A refusal as it should be: 503 (or 504), in words, with when to come again. */
function assertRefusal({ outcome, tookMs }: Seen): void {
  assert.ok(outcome.kind === 'answered', JSON.stringify(outcome))
  const problem = JSON.parse(outcome.text) as Problem
  assert.ok(outcome.status === 503 || outcome.status === 504, `${outcome.sent.path}: ${outcome.text}`)
  assert.match(outcome.headers['content-type'] ?? '', /^application\/problem\+json/)
  assert.ok(['database-unavailable', 'pool-exhausted', 'timeout'].includes(problem.code), problem.code)
  if (outcome.status === 503) assert.match(outcome.headers['retry-after'] ?? '', /^\d+$/, problem.code)
  assert.ok(tookMs < answerMs, `${outcome.sent.path} took ${tookMs} ms`)
}

test('while Postgres is gone reads get 503 and a reason, in time; it is brought back, again and again, and nobody is told a lie', async (context) => {
  const { below, pick } = chance(context)
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  const { token } = await customer(shop, 'ann@example.com')
  const known = await products(shop, 20)
  const authorization = `Bearer ${token}`
  const { seen, stop } = readers(context, shop, () => pick<Sent>([
    { path: `/v1/products/${pick([...known]).id}` }, { path: `/v1/products?limit=${1 + below(100)}` }, { path: `/v1/products/${pick([...known]).id}/recommendations` }, { path: '/v1/orders', headers: { authorization } },
  ]))
  for (const whom of ['postmaster', 'backend', 'postmaster'] as const) {
    const enough = seen.length + 50 + below(100)
    await until('reads are answered', () => seen.length >= enough)
    const postmaster = await postmasterOf(directory)
    const backend = (await processesOf(directory)).find(({ line }) => line.includes('tenfold_app shop'))
    process.kill(whom === 'backend' && backend ? backend.pid : postmaster, 'SIGKILL')
    const killed = seen.length
    await until('somebody is refused', () => seen.slice(killed).some((one) => !isGood(one)))
    await until('reads are answered again', () => seen.length > killed + clientCount && seen.slice(-2 * clientCount).every(isGood))
    if (whom === 'postmaster') assert.notEqual(await postmasterOf(directory), postmaster)
    await until('it is ready again', async () => (await ask(`${shop.urls.ops}/readyz`)).status === 200)
  }
  await stop()
  const refused = seen.filter((one) => !isGood(one))
  context.diagnostic(`${seen.length} reads, ${refused.length} of them refused, the slowest in ${Math.round(Math.max(...refused.map(({ tookMs }) => tookMs)))} ms`)
  refused.forEach(assertRefusal)
  assert.doesNotMatch(shop.stderr(), /a request failed/)
  process.kill(shop.pid, 'SIGTERM')
  assert.deepEqual([(await finished(shop)).code, await processesOf(directory)], [0, []])
})

test('SIGTERM while Postgres is being brought back: it leaves, and leaves nothing running', async (context) => {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  process.kill(await postmasterOf(directory), 'SIGKILL')
  await until('it says so', () => shop.stderr().includes('is started again'))
  process.kill(shop.pid, 'SIGTERM')
  const { code, stderr } = await finished(shop)
  assert.deepEqual([code, await processesOf(directory)], [0, []], stderr)
  const again = await startShop(directory)
  assert.equal((await products(again, 1)).length, 1)
})
