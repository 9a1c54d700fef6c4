/** Promise 8: on SIGTERM a process stops being ready, drains, finishes what it took, and exits 0; no request fails. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { ask, customer, type Order, type Product, products, setGateway } from './client.ts'
import { type KeepAliveClient, keepAliveClient, type Outcome, type Sent } from './keep-alive.ts'
import { processesOf } from './processes.ts'
import { chance } from './seed.ts'
import { type Command, dataDirectory, finished, type Shop, startShop, until } from './shop.ts'

const clientCount = 12
const leaveMs = 25_000

async function leaves(shop: Command, directory: string): Promise<void> {
  const { code, signal, stderr } = await finished(shop, leaveMs)
  assert.deepEqual([code, signal, await processesOf(directory)], [0, null, []])
  assert.match(stderr, /left\n$/)
  assert.doesNotMatch(stderr, /"level":"error"/)
}

/** Asks until nobody answers. */
async function load(client: KeepAliveClient, next: () => Sent, outcomes: Outcome[]): Promise<void> {
  for (;;) {
    const outcome = await client.send(next())
    outcomes.push(outcome)
    if (outcome.kind === 'refused') return
  }
}

/** What a balancer sees of it from now on. */
async function watchReadiness(shop: Shop): Promise<{ status: number; word: string }[]> {
  const seen: { status: number; word: string }[] = []
  for (;;) {
    const answer = await ask<{ status: string }>(`${shop.urls.ops}/readyz`).catch(() => undefined)
    if (!answer) return seen
    seen.push({ status: answer.status, word: answer.body.status })
  }
}

test('under load: every request is answered, readiness says draining, the exit code is 0, and what was acknowledged is there', async (context) => {
  const { below, pick } = chance(context)
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  const { token } = await customer(shop, 'ann@example.com')
  const known = (await products(shop, 100)).filter(({ stock }) => stock >= 100)
  let orders = 0
  const next = (): Sent => {
    const { id } = pick<Product>(known)
    if (below(5) > 0) return { path: below(2) ? `/v1/products/${id}` : '/v1/products?limit=20' }
    return { method: 'POST', path: '/v1/orders', headers: { authorization: `Bearer ${token}`, 'idempotency-key': `order-${++orders}` }, body: { items: [{ productId: id, quantity: 1 + below(3) }] } }
  }
  const outcomes: Outcome[] = []
  const clients = Array.from({ length: clientCount }, () => keepAliveClient(shop.urls.web))
  context.after(() => { for (const client of clients) client.close() })
  const loads = clients.map((client) => load(client, next, outcomes))
  const enough = 150 + below(150)
  await until(`${enough} requests are answered`, () => outcomes.length >= enough)
  await setGateway(shop, 'slow') // so that something is under way for a while yet
  await until('an order waits for the gateway', () => outcomes.length >= enough + 2 * clientCount)
  process.kill(shop.pid, 'SIGTERM')
  const before = outcomes.length
  await until('it is leaving', () => shop.stderr().includes('leaving'))
  const [readiness] = await Promise.all([watchReadiness(shop), leaves(shop, directory), ...loads])

  context.diagnostic(`${outcomes.length} requests, ${outcomes.length - before} of them after SIGTERM, ${orders} orders`)
  assert.deepEqual(outcomes.filter(({ kind }) => kind === 'broken'), [], 'a request found its connection broken')
  const answered = outcomes.filter((outcome) => outcome.kind === 'answered')
  assert.deepEqual(answered.filter(({ status, sent }) => status !== (sent.method === 'POST' ? 201 : 200)).map(({ text }) => text), [])
  assert.ok(readiness.length > 0, 'the ops port was closed first')
  assert.deepEqual(readiness.filter(({ status, word }) => status !== 503 || word !== 'draining'), [])

  const again = await startShop(directory)
  for (const { sent, text } of answered.filter((outcome) => outcome.sent.method === 'POST').slice(-2 * clientCount)) {
    const { id, items } = JSON.parse(text) as Order
    const kept = await ask<Order>(`${again.urls.web}/v1/orders/${id}`, { token })
    assert.deepEqual([kept.status, kept.body.items], [200, items], JSON.stringify(sent.headers))
  }
})

test('a client that keeps its connection is told to let go, one that stalls in the midst of a request is cut off: neither holds anybody up', async (context) => {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  const { token } = await customer(shop, 'ann@example.com')
  const product = (await products(shop, 100)).find(({ stock }) => stock > 10)
  const [idle, busy] = [keepAliveClient(shop.urls.web), keepAliveClient(shop.urls.web)]
  const stalled = connect(shop.ports.web, '127.0.0.1')
  context.after(() => { idle.close(); busy.close(); stalled.destroy() })
  stalled.on('error', () => {})
  await once(stalled, 'connect')
  stalled.write('POST /v1/users HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"email"')
  assert.equal((await idle.send({ path: '/v1/products?limit=1' })).kind, 'answered')
  await setGateway(shop, 'slow')
  let answered = false
  const order = busy.send({ method: 'POST', path: '/v1/orders', headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'one' }, body: { items: [{ productId: product?.id, quantity: 1 }] } }).finally(() => { answered = true })
  await until('the order is placed', async () => (await ask<{ data: unknown[] }>(`${shop.urls.web}/v1/orders`, { token })).body.data.length === 1)
  assert.equal(answered, false)
  process.kill(shop.pid, 'SIGTERM')
  const outcome = await order
  assert.ok(outcome.kind === 'answered')
  assert.deepEqual([outcome.status, (JSON.parse(outcome.text) as Order).status, outcome.headers.connection], [201, 'processing', 'close'])
  await leaves(shop, directory)
})
