import assert from 'node:assert/strict'
import type { ProblemError } from 'tenfold/client'
import { productById } from '../catalogue/browse.ts'
import { revenue } from '../orders/reading.ts'
import { address, atEveryStage, chargesOf, customer, mailsTo, setGateway, type Shop } from './harness.ts'

const problem = (code: string, status: number) => (error: ProblemError) => error.problem?.code === code && error.problem.status === status

async function productIds(shop: Shop): Promise<[string, string, string, string]> {
  const { data } = await shop.client()('GET /v1/products', {})
  return data.toSorted((a, b) => (a.sku < b.sku ? -1 : 1)).map(({ id }) => id) as [string, string, string, string]
}
async function stockOf(shop: Shop, id: string): Promise<number> {
  await shop.clock.advance('1s')
  return (await shop.call(productById, { id })).stock
}

atEveryStage('an order is paid, and after it come its receipt, its mail and its place among the best sellers', async (shop) => {
  const [lamp, , mug] = await productIds(shop)
  const email = address('paid')
  const { client } = await customer(shop, email)
  const items = [{ productId: lamp, quantity: 2 }, { productId: mug, quantity: 1 }, { productId: lamp, quantity: 1 }]
  const order = await client('POST /v1/orders', { items }, { idempotencyKey: 'one' })
  assert.deepEqual(order, { id: order.id, status: 'paid', total: 600, items: items.map((item) => ({ ...item, price: item.productId === lamp ? 100 : 300 })) })
  assert.deepEqual(await chargesOf(order.id), [{ orderId: order.id, amount: 600, times: 1 }])
  assert.deepEqual((({ id, status, total }) => ({ id, status, total }))(await client('GET /v1/orders/{id}', { id: order.id })), { id: order.id, status: 'paid', total: 600 })
  await assert.rejects(client('GET /v1/orders/{id}/receipt', { id: order.id }), problem('not-found', 404))
  await shop.settle()
  const receipt = await client('GET /v1/orders/{id}/receipt', { id: order.id })
  assert.equal(receipt.headers.get('content-type'), 'application/pdf')
  assert.equal(Buffer.from(await receipt.arrayBuffer()).subarray(0, 5).toString(), '%PDF-')
  const mails = await mailsTo(email)
  assert.equal(new Set(mails.map(({ messageId }) => messageId)).size, 1)
  assert.match(mails[0]?.text ?? '', /£6\.00/)
  assert.equal(await stockOf(shop, lamp), 97)
  assert.deepEqual(await shop.call(revenue, {}), { orders: 1, pence: 600 })
})

atEveryStage('a repeat of key and body gives the same order; another body is refused; keys are the caller\'s own', async (shop) => {
  const [lamp, red] = await productIds(shop)
  const { client } = await customer(shop, address('key'))
  const other = await customer(shop, address('other'))
  const order = await client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }] }, { idempotencyKey: 'k' })
  const repeats = await Promise.all([1, 2, 3].map(() => client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }] }, { idempotencyKey: 'k' })))
  assert.deepEqual(repeats, [order, order, order])
  await assert.rejects(client('POST /v1/orders', { items: [{ productId: red, quantity: 1 }] }, { idempotencyKey: 'k' }), problem('key-reused', 422))
  await assert.rejects(client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }] }), problem('key-required', 400))
  assert.notEqual((await other.client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }] }, { idempotencyKey: 'k' })).id, order.id)
  assert.equal((await client('GET /v1/orders', {})).data.length, 1)
  await assert.rejects(other.client('GET /v1/orders/{id}', { id: order.id }), problem('not-found', 404))
  await assert.rejects(other.client('GET /v1/orders/{id}/receipt', { id: order.id }), problem('not-found', 404))
})

atEveryStage('an unknown product, short stock and a body without lines take nothing', async (shop) => {
  const [lamp, , , chair] = await productIds(shop)
  const { client } = await customer(shop, address('short'))
  const missing = '00000000-0000-8000-8000-000000000000'
  await assert.rejects(client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }, { productId: missing, quantity: 1 }] }, { idempotencyKey: 'a' }), problem('unknown-product', 422))
  await assert.rejects(client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }, { productId: chair, quantity: 2 }] }, { idempotencyKey: 'b' }), problem('short-stock', 409))
  await assert.rejects(client('POST /v1/orders', { items: [] }, { idempotencyKey: 'c' }), problem('invalid', 422))
  await assert.rejects(client('POST /v1/orders', { items: Array.from({ length: 1001 }, () => ({ productId: lamp, quantity: 1 })) }, { idempotencyKey: 'd' }), problem('invalid', 422))
  assert.equal(await stockOf(shop, lamp), 100)
  assert.equal((await client('POST /v1/orders', { items: Array.from({ length: 1000 }, () => ({ productId: chair, quantity: 1 })).slice(0, 1) }, { idempotencyKey: 'b2' })).status, 'paid')
  assert.equal((await client('GET /v1/orders', {})).data.length, 1)
})

atEveryStage('the last one is sold once', async (shop) => {
  const [, , , chair] = await productIds(shop)
  const { client } = await customer(shop, address('last'))
  const tries = await Promise.all(Array.from({ length: 5 }, (_, index) => client.try('POST /v1/orders', { items: [{ productId: chair, quantity: 1 }] }, { idempotencyKey: String(index) })))
  assert.deepEqual(tries.map((tried) => tried.ok ? 'sold' : tried.problem.code).toSorted(), ['short-stock', 'short-stock', 'short-stock', 'short-stock', 'sold'])
  assert.equal(await stockOf(shop, chair), 0)
})

atEveryStage('a declined payment is an order with that status, and its stock comes back', async (shop) => {
  const [lamp] = await productIds(shop)
  const { client } = await customer(shop, address('declined'))
  await setGateway('declined')
  const order = await client('POST /v1/orders', { items: [{ productId: lamp, quantity: 5 }] }, { idempotencyKey: 'x' })
  assert.equal(order.status, 'declined')
  assert.deepEqual(await chargesOf(order.id), [])
  assert.equal(await stockOf(shop, lamp), 100)
})

for (const fault of ['error', 'down', 'duplicate'] as const) {
  atEveryStage(`while the gateway's fault is ${fault}, an order is processing or paid, ends paid, and is charged once`, async (shop) => {
    const [lamp] = await productIds(shop)
    const { client } = await customer(shop, address(`${fault}`))
    await setGateway(fault)
    const began = performance.now()
    const order = await client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }] }, { idempotencyKey: 'x' })
    assert.ok(performance.now() - began < 2_500, 'it answers in time')
    assert.equal(order.status, fault === 'duplicate' ? 'paid' : 'processing')
    await setGateway('none')
    // Real seconds: the breaker that the faults opened has a clock of its own.
    for (let round = 0; (await client('GET /v1/orders/{id}', { id: order.id })).status !== 'paid'; round++) {
      assert.ok(round < 300, 'it was never paid')
      await shop.clock.advance('5s')
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    assert.deepEqual(await chargesOf(order.id), [{ orderId: order.id, amount: 100, times: 1 }])
    assert.deepEqual(await client('POST /v1/orders', { items: [{ productId: lamp, quantity: 1 }] }, { idempotencyKey: 'x' }), { ...order, status: 'paid' })
    assert.equal(await stockOf(shop, lamp), 99)
  })
}

atEveryStage('an order that is never paid is undone after a day: declined, its stock back, charged nothing', async (shop) => {
  const [lamp] = await productIds(shop)
  const { client } = await customer(shop, address('never'))
  await setGateway('down')
  const order = await client('POST /v1/orders', { items: [{ productId: lamp, quantity: 3 }] }, { idempotencyKey: 'x' })
  await shop.clock.advance('25h')
  assert.equal((await client('GET /v1/orders/{id}', { id: order.id })).status, 'declined')
  assert.equal((await client('POST /v1/orders', { items: [{ productId: lamp, quantity: 3 }] }, { idempotencyKey: 'x' })).status, 'declined')
  assert.equal(await stockOf(shop, lamp), 100)
  assert.deepEqual(await chargesOf(order.id), [])
})
