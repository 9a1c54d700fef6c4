/**
 * The shop's `POST /orders` by hand, with the guarantees that ours gives: who calls is verified, a key is answered once, stock is never
 * oversold, the card is charged once (the order's id follows from the key, and is the gateway's), and order, payment, event, jobs and
 * the recorded answer commit together. One transaction holds it all, the gateway's answer in its midst. Nobody takes the jobs here,
 * while ours makes its receipts and sends its mails beside the requests.
 */
import { createHash, randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import pg from 'pg'
import { contend } from '../contender.ts'
import { migrated, ownDatabase, seed } from '../place.ts'

interface Item { productId: string; quantity: number }
const shop = '../examples/shop'
const bodySchema = {
  type: 'object', required: ['items'], additionalProperties: false,
  properties: { items: { type: 'array', minItems: 1, maxItems: 1000, items: { type: 'object', required: ['productId', 'quantity'], additionalProperties: false, properties: { productId: { type: 'string', format: 'uuid' }, quantity: { type: 'integer', minimum: 1, maximum: 10_000 } } } } },
}

await contend(async (given) => {
  const place = await ownDatabase(given.postgres, 'shop_by_hand')
  await migrated(place, { tenfold: '../src/data/migrations/', catalogue: `${shop}/catalogue/migrations/`, orders: `${shop}/orders/migrations/`, payments: `${shop}/payments/migrations/` })
  await seed(place, 'catalogue.products')
  const pool = new pg.Pool({ ...place, max: 20, options: '-c search_path=orders,catalogue,payments,tenfold' })
  const app = Fastify()
  await app.register(jwt, { secret: 'a secret of this bench alone' })
  app.post<{ Body: { items: Item[] } }>('/v1/orders', { schema: { body: bodySchema }, onRequest: async (request) => { await request.jwtVerify() } }, async (request, reply) => {
    const key = request.headers['idempotency-key']
    if (typeof key !== 'string') return reply.code(400).send({ message: 'Send an Idempotency-Key.' })
    const answer = await placeOrder(pool, given.options['gateway'] ?? '', (request.user as { id: string }).id, key, request.body.items)
    return reply.code(answer.status).header('location', `/v1/orders/${answer.id}`).send(answer.body)
  })
  const tokens = Array.from({ length: 16 }, () => app.jwt.sign({ id: randomUUID() }, { expiresIn: '1h' }))
  return { about: { url: await app.listen({ host: '127.0.0.1', port: 0 }), tokens } }
})

async function placeOrder(pool: pg.Pool, gateway: string, customer: string, key: string, items: readonly Item[]) {
  const digest = createHash('sha256').update(`${customer} ${key}`).digest('hex')
  const id = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`
  const print = createHash('sha256').update(JSON.stringify(items)).digest('hex')
  const [bucket, now] = [Number.parseInt(customer.slice(0, 3), 16), new Date()]
  const client = await pool.connect()
  try {
    await client.query('begin')
    const claimed = await client.query(`insert into records (bucket, run, step, fingerprint, expires_at) values ($1, $2, 'checkout', $3, $4) on conflict do nothing`, [bucket, id, print, new Date(now.getTime() + 86_400_000)])
    if (claimed.rowCount === 0) return await answered(client, bucket, id, print)
    const lines = await reserve(client, id, items)
    if (!lines) { await client.query('rollback'); return { id, status: 409, body: { message: 'Too few are left.' } } }
    const total = lines.reduce((sum, line) => sum + line.price * line.quantity, 0)
    await client.query(`insert into orders (bucket, customer_id, id, status, total, placed_at) values ($1, $2, $3, 'pending', $4, $5)`, [bucket, customer, id, total, now])
    await client.query(`insert into order_lines (bucket, customer_id, order_id, position, product_id, quantity, price) select $1, $2, $3, l.position, l.product, l.quantity, l.price from unnest($4::int[], $5::uuid[], $6::int[], $7::bigint[]) as l(position, product, quantity, price)`,
      [bucket, customer, id, lines.map((_, position) => position), lines.map((line) => line.productId), lines.map((line) => line.quantity), lines.map((line) => line.price)])
    const charged = await fetch(`${gateway}/charges`, { method: 'POST', signal: AbortSignal.timeout(1_500), headers: { 'content-type': 'application/json', 'idempotency-key': id }, body: JSON.stringify({ orderId: id, amount: total }) })
    const { outcome } = await charged.json() as { outcome?: string }
    if (outcome !== 'paid') { await client.query('rollback'); return { id, status: 402, body: { message: 'The card was declined.' } } }
    await client.query(`insert into payments (order_id, amount, outcome) values ($1, $2, 'paid')`, [id, total])
    await client.query(`update orders set status = 'paid' where bucket = $1 and customer_id = $2 and id = $3`, [bucket, customer, id])
    const body = { id, status: 'paid', total, items: lines }
    await client.query(`insert into outbox (bucket, event, key, payload, at, expires_at) values ($1, 'orders.order.paid', $2, $3, $4, $4)`, [bucket, id, JSON.stringify(body), now])
    for (const job of ['orders.makeReceipt', 'notifications.confirm']) {
      await client.query(`insert into runs (bucket, id, kind, name, input, fingerprint, state, due_at, started_at) values ($1, $2, 'job', $3, $4, '', 'waiting', $5, $5)`, [bucket, randomUUID(), job, JSON.stringify({ customerId: customer, id, total }), now])
    }
    await client.query(`update records set answer = $3 where bucket = $1 and run = $2 and step = 'checkout'`, [bucket, id, JSON.stringify(body)])
    await client.query('commit')
    return { id, status: 201, body }
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

/** Rows are locked in the order of their keys: two orders never wait for each other in a circle. */
async function reserve(client: pg.PoolClient, id: string, items: readonly Item[]): Promise<(Item & { price: number })[] | undefined> {
  const wanted = new Map<string, number>()
  for (const { productId, quantity } of items) wanted.set(productId, (wanted.get(productId) ?? 0) + quantity)
  const { rows } = await client.query<{ id: string; price: string; stock: string }>('select id, price, stock from products where id = any($1) order by id for update', [[...wanted.keys()]])
  const found = new Map(rows.map((row) => [row.id, row]))
  if ([...wanted].some(([product, quantity]) => Number(found.get(product)?.stock ?? 0) < quantity)) return undefined
  await client.query('update products set stock = stock - taken.quantity from unnest($1::uuid[], $2::int[]) as taken(id, quantity) where products.id = taken.id', [[...wanted.keys()], [...wanted.values()]])
  await client.query('insert into reservations (id, product_id, quantity) select $1, taken.id, taken.quantity from unnest($2::uuid[], $3::int[]) as taken(id, quantity)', [id, [...wanted.keys()], [...wanted.values()]])
  return items.map((item) => ({ ...item, price: Number(found.get(item.productId)?.price) }))
}

async function answered(client: pg.PoolClient, bucket: number, id: string, print: string) {
  const { rows } = await client.query<{ fingerprint: string; answer: object }>(`select fingerprint, answer from records where bucket = $1 and run = $2 and step = 'checkout'`, [bucket, id])
  await client.query('rollback')
  return rows[0]?.fingerprint === print ? { id, status: 201, body: rows[0].answer } : { id, status: 422, body: { message: 'This key was used with another body.' } }
}
