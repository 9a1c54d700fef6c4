/**
 * The order's transaction by hand, on a pooled client, as node-postgres' "Transactions" says: BEGIN, each statement awaited, COMMIT. The
 * tables are the same as ours, of the same migrations, in a database of its own; its superuser is not held by row security.
 */
import { createHash, randomUUID } from 'node:crypto'
import pg from 'pg'
import { contend, rate } from '../contender.ts'
import { migrated, ownDatabase, productId } from '../place.ts'

const lines = [1, 2, 3].map((index) => ({ productId: productId(index), quantity: index, price: 255 }))

await contend(async (given) => {
  const place = await ownDatabase(given.postgres, given.options['named'] ? 'order_named' : 'order_plain')
  await migrated(place, { tenfold: '../src/data/migrations/', orders: 'app/migrations/orders/' })
  const pool = new pg.Pool({ ...place, max: 20, options: '-c search_path=orders,tenfold' })
  return { measure: (_what, seconds) => rate(seconds, 32, () => placeOrder(pool, given.options['named'] === 'yes')) }
})

async function placeOrder(pool: pg.Pool, named: boolean): Promise<{ id: string; total: number }> {
  const [customer, id, key, job, now] = [randomUUID(), randomUUID(), randomUUID(), randomUUID(), new Date()]
  const bucket = Number.parseInt(customer.slice(0, 3), 16)
  const later = new Date(now.getTime() + 86_400_000)
  const total = lines.reduce((sum, line) => sum + line.price * line.quantity, 0)
  const client = await pool.connect()
  const run = (name: string, text: string, values: unknown[]) => client.query(named ? { name, text, values } : { text, values })
  try {
    await client.query('begin')
    const claimed = await run('claim', 'insert into records (bucket, run, step, fingerprint, expires_at) values ($1, $2, $3, $4, $5) on conflict do nothing', [bucket, key, 'orders.place', createHash('sha256').update(JSON.stringify({ customer, lines })).digest('hex'), later])
    if (claimed.rowCount === 0) throw new Error('answered before')
    await run('order', 'insert into orders (bucket, customer_id, id, status, total, placed_at) values ($1, $2, $3, $4, $5, $6)', [bucket, customer, id, 'pending', total, now])
    await run('lines', `insert into order_lines (bucket, customer_id, order_id, position, product_id, quantity, price) values ${lines.map((_, index) => `($1, $2, $3, ${Array.from({ length: 4 }, (_none, column) => `$${4 + index * 4 + column}`).join(', ')})`).join(', ')}`,
      [bucket, customer, id, ...lines.flatMap((line, position) => [position, line.productId, line.quantity, line.price])])
    await run('event', 'insert into outbox (bucket, event, key, payload, at, expires_at) values ($1, $2, $3, $4, $5, $6)', [bucket, 'orders.order.placed', id, JSON.stringify({ orderId: id, customerId: customer, total }), now, later])
    await run('job', `insert into runs (bucket, id, kind, name, input, fingerprint, state, due_at, started_at) values ($1, $2, 'job', $3, $4, '', 'waiting', $5, $5)`, [bucket, job, 'orders.nothing', JSON.stringify({ customerId: customer, n: 0 }), now])
    await run('record', 'update records set answer = $4 where bucket = $1 and run = $2 and step = $3', [bucket, key, 'orders.place', JSON.stringify({ id, total })])
    await client.query('commit')
    return { id, total }
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
