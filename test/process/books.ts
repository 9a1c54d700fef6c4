/** The shop's books, read past the shop: what must hold whatever died when. */
import assert from 'node:assert/strict'
import { ask, type Order } from './client.ts'
import type { Command } from './shop.ts'
import type { Book } from './shopper.ts'
import { sql } from './sql.ts'

interface Charge { readonly orderId: string; readonly amount: number; readonly times: number }
interface Mail { readonly messageId: string; readonly to: string; readonly subject: string }

export async function stockOf(directory: string): Promise<Map<string, number>> {
  const rows = await sql<{ id: string; stock: string }>(directory, 'select id, stock from catalogue.products')
  return new Map(rows.map(({ id, stock }) => [id, Number(stock)]))
}

/** How much is still under way: orders without an end, runs, events that a subscriber has not had. All of it ends by itself. */
export async function underWay(directory: string): Promise<Record<string, number>> {
  const [row] = await sql<Record<string, string>>(directory, `select
    (select count(*) from orders.orders where status in ('pending', 'processing')) as orders,
    (select count(*) from tenfold.runs where due_at is not null or state in ('waiting', 'running', 'unfinished')) as runs,
    (select count(*) from tenfold.outbox where seq is null) as unnumbered,
    (select count(*) from tenfold.subscribers where position < (select coalesce(max(seq), 0) from tenfold.outbox)) as behind,
    (select count(*) from tenfold.parked) as parked`)
  return Object.fromEntries(Object.entries(row ?? {}).map(([name, count]) => [name, Number(count)]))
}

/** Everything is settled: now each thing must agree with every other. */
export async function assertBooks(shop: Command, directory: string, book: Book, stockBefore: ReadonlyMap<string, number>): Promise<{ paid: number; declined: number }> {
  assert.deepEqual(await sql(directory, 'select kind, name, reason from tenfold.dead'), [], 'something ended as a dead letter')
  const orders = await sql<{ id: string; status: string; total: string; receipt: { sha256: string } | null }>(directory, 'select id, status, total, receipt from orders.orders order by id')
  const known = [...book.said.values()].filter((said) => said.kind === 'order').map(({ order }) => order)
  assert.deepEqual(orders.map(({ id }) => id), known.map(({ id }) => id).toSorted(), 'each key has its one order, and there is no other')
  assert.equal(new Set(known.map(({ id }) => id)).size, known.length)
  const statusOf = new Map(orders.map(({ id, status }) => [id, status]))
  const paid = known.filter(({ id }) => statusOf.get(id) === 'paid')
  assert.deepEqual([...new Set(statusOf.values())].filter((status) => status !== 'paid' && status !== 'declined'), [])

  await assertCharges(shop, directory, known, paid)
  await assertGoods(directory, known, paid, stockBefore)
  await assertPapers(shop, directory, book, orders, paid)
  return { paid: paid.length, declined: known.length - paid.length }
}

/** At most once; exactly once for what is paid, and never for what was declined. */
async function assertCharges(shop: Command, directory: string, known: readonly Order[], paid: readonly Order[]): Promise<void> {
  const { body } = await ask<{ charges: Charge[] }>(`${shop.urls.ops}/sandbox/gateway`)
  const byId = <T extends { orderId: string }>(rows: readonly T[]) => rows.toSorted((one, other) => (one.orderId < other.orderId ? -1 : 1))
  assert.deepEqual(byId(body.charges), byId(paid.map(({ id, total }) => ({ orderId: id, amount: total, times: 1 }))))
  const payments = await sql<{ order_id: string; amount: string; outcome: string }>(directory, 'select order_id, amount, outcome from payments.payments order by order_id')
  const isPaid = new Set(paid.map(({ id }) => id))
  assert.deepEqual(payments.map((row) => [row.order_id, Number(row.amount), row.outcome]), known.map(({ id, total }) => [id, total, isPaid.has(id) ? 'paid' : 'declined']).toSorted((one, other) => (String(one[0]) < String(other[0]) ? -1 : 1)))
}

/** What is gone from the stock is what was paid for, product by product, and so is what sold. */
async function assertGoods(directory: string, known: readonly Order[], paid: readonly Order[], stockBefore: ReadonlyMap<string, number>): Promise<void> {
  const sold = unitsOf(paid)
  const stock = await stockOf(directory)
  assert.deepEqual(new Map([...stockBefore].map(([id, before]) => [id, before - (stock.get(id) ?? 0)]).filter(([, units]) => units !== 0) as [string, number][]), new Map([...stockBefore.keys()].filter((id) => sold.has(id)).map((id) => [id, sold.get(id) ?? 0])))
  const best = await sql<{ product_id: string; units: string }>(directory, 'select product_id, units from catalogue.best_sellers')
  assert.deepEqual(new Map(best.map((row) => [row.product_id, Number(row.units)]).toSorted() as [string, number][]), new Map([...sold].toSorted()), 'the best-sellers are what was paid for')
  const lines = await sql<{ order_id: string; product_id: string; quantity: number }>(directory, 'select order_id, product_id, quantity from orders.order_lines order by order_id, position')
  assert.deepEqual(lines.map((row) => [row.order_id, row.product_id, row.quantity]), known.toSorted((one, other) => (one.id < other.id ? -1 : 1)).flatMap(({ id, items }) => items.map((item) => [id, item.productId, item.quantity])))
  const reserved = await sql<{ id: string }>(directory, 'select distinct id from catalogue.reservations order by id')
  assert.deepEqual(reserved.map(({ id }) => id), paid.map(({ id }) => id).toSorted(), 'a reservation stands for what was paid, and for nothing else')
}

/** One fact, one receipt that opens, and one confirmation (which may come twice, under one number) for each paid order, and none for another. */
async function assertPapers(shop: Command, directory: string, book: Book, orders: readonly { id: string; receipt: { sha256: string } | null }[], paid: readonly Order[]): Promise<void> {
  const paidIds = paid.map(({ id }) => id).toSorted()
  const facts = await sql<{ id: string }>(directory, `select payload->>'orderId' as id from tenfold.outbox where event = 'orders.order.paid' order by 1`)
  assert.deepEqual(facts.map(({ id }) => id), paidIds, 'that an order was paid is said once')
  assert.deepEqual(orders.filter(({ receipt }) => receipt !== null).map(({ id }) => id), paidIds)
  const kept = await sql<{ sha256: string }>(directory, 'select sha256 from tenfold.files order by sha256')
  assert.deepEqual(kept.map(({ sha256 }) => sha256), [...new Set(orders.flatMap(({ receipt }) => receipt ? [receipt.sha256] : []))].toSorted(), 'the files are the receipts')
  const mails = (await ask<Mail[]>(`${shop.urls.ops}/mails`)).body
  for (const { key, token, email } of book.wanted) {
    const said = book.said.get(key)
    if (said?.kind !== 'order') continue
    const { id } = said.order
    const isPaid = paidIds.includes(id)
    const receipt = await ask<string>(`${shop.urls.web}/v1/orders/${id}/receipt`, { token })
    assert.deepEqual([receipt.status, isPaid ? receipt.body.slice(0, 5) : ''], isPaid ? [200, '%PDF-'] : [404, ''], id)
    const sent = mails.filter(({ subject }) => subject === `Your order ${id}`)
    assert.ok(isPaid ? sent.length > 0 : sent.length === 0, `${sent.length} mails for ${id}`)
    assert.ok(new Set(sent.map(({ messageId }) => messageId)).size <= 1, `mails for ${id} under several numbers`)
    assert.ok(sent.every(({ to }) => to === email), `a mail for ${id} went elsewhere`)
  }
}

function unitsOf(orders: readonly Order[]): Map<string, number> {
  const units = new Map<string, number>()
  for (const { items } of orders) for (const { productId, quantity } of items) units.set(productId, (units.get(productId) ?? 0) + quantity)
  return units
}
