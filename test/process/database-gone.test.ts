/** Postgres alone dies, under load: who asks is told so in time, and the shop brings it back by itself. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { goneWithin } from '../../src/base/process.ts'
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
  const stopping = new AbortController()
  const clients = Array.from({ length: clientCount }, () => keepAliveClient(shop.urls.web))
  context.after(() => { stopping.abort(); for (const client of clients) client.close() })
  const reads = clients.map(async (client) => {
    while (!stopping.signal.aborted) {
      const began = performance.now()
      const outcome = await client.send(next())
      seen.push({ outcome, tookMs: performance.now() - began })
    }
  })
  return { seen, stop: async () => { stopping.abort(); await Promise.all(reads) } }
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

const isWell = (seen: readonly Seen[], since: number) => seen.length > since + clientCount && seen.slice(-2 * clientCount).every(isGood)

const serverProcesses = async (directory: string) => (await processesOf(directory)).filter(({ line }) => /postgres( -D|: )/.test(line) && !line.includes('/bin/sh')).map(({ pid }) => pid)

test('while Postgres is gone, or there and silent, reads get 503 and a reason, in time; it is brought back, again and again', async (context) => {
  const { below, pick } = chance(context)
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  const { token } = await customer(shop, 'ann@example.com')
  const ids = (await products(shop, 20)).map(({ id }) => id)
  const { seen, stop } = readers(context, shop, () => pick<Sent>([
    { path: `/v1/products/${pick(ids)}` }, { path: `/v1/products?limit=${1 + below(100)}` }, { path: `/v1/products/${pick(ids)}/recommendations` }, { path: '/v1/orders', headers: { authorization: `Bearer ${token}` } },
  ]))
  for (const fate of ['server killed', 'connection killed', 'all stopped', 'server killed'] as const) {
    const enough = seen.length + 100
    await until('reads are answered', () => seen.length >= enough)
    const server = await postmasterOf(directory)
    const connection = (await processesOf(directory)).find(({ line }) => line.includes('tenfold_app shop'))?.pid ?? server
    const since = seen.length
    if (fate === 'all stopped') {
      const all = await serverProcesses(directory)
      for (const pid of all) process.kill(pid, 'SIGSTOP')
      await until('each reader is refused', () => seen.slice(since).filter((one) => !isGood(one)).length >= 2 * clientCount)
      assert.equal((await ask(`${shop.urls.ops}/readyz`)).status, 503)
      for (const pid of all) process.kill(pid, 'SIGCONT')
    } else {
      process.kill(fate === 'server killed' ? server : connection, 'SIGKILL')
      await until('somebody is refused', () => seen.slice(since).some((one) => !isGood(one)))
    }
    const over = seen.length
    await until(`reads are answered again (${fate})`, () => isWell(seen, over))
    if (fate === 'server killed') assert.notEqual(await postmasterOf(directory), server)
  }
  await until('it is ready again', async () => (await ask(`${shop.urls.ops}/readyz`)).status === 200)
  await stop()
  const refused = seen.filter((one) => !isGood(one))
  context.diagnostic(`${seen.length} reads, ${refused.length} of them refused, the slowest in ${Math.round(Math.max(...refused.map(({ tookMs }) => tookMs)))} ms`)
  refused.forEach(assertRefusal)
  assert.doesNotMatch(shop.stderr(), /a request failed/)
  assert.match(shop.stderr(), /Postgres ended by itself and is started again/)

  // While it is just being brought back.
  const last = await postmasterOf(directory)
  process.kill(last, 'SIGKILL')
  await until('the server is gone', () => goneWithin(last, 0))
  process.kill(shop.pid, 'SIGTERM')
  const { code, stderr } = await finished(shop)
  assert.deepEqual([code, await processesOf(directory)], [0, []], stderr.slice(-2_000))
})
