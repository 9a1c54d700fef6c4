/** The same service, with three tiers taken up, one route at a time. What is not mentioned in a comment is as it was. */
import { desc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import Fastify, { type FastifyInstance } from 'fastify'
import { createCache } from 'tenfold/cache'
import { createData } from 'tenfold/data'
import { createJobs } from 'tenfold/jobs'
import type { ServiceOptions } from './before.ts'
import { orders } from './tables.ts'

export async function buildService({ databaseUrl, sendReceipt }: ServiceOptions): Promise<FastifyInstance> {
  // 2. `tenfold/data`: its pool is a pg.Pool, for plain pg and for Drizzle alike. Lone SELECTs are pipelined and prepared from now on.
  const { pool, close: closeData } = createData({ primary: databaseUrl })
  const db = drizzle(pool)
  // 1. `tenfold/cache`: one function is remembered, and dropped where it changes.
  const cache = createCache({ entries: 10_000 })
  const productById = cache.around('product', { ttl: '15m', staleFor: '1m' }, async (id: string) => (await pool.query('select id, name, price from products where id = $1', [id])).rows[0])
  // 3. `tenfold/jobs`: what the customer need not wait for.
  const jobs = createJobs({ database: databaseUrl, jobs: { receipt: { timeout: '10s', tries: 8, run: (order: { id: number; customer: string }) => sendReceipt(order) } } })
  await jobs.migrate()
  jobs.start()

  const server = Fastify()
  server.addHook('onClose', async () => { await jobs.close(); await closeData() })

  server.get<{ Params: { id: string } }>('/products/:id', async (request, reply) => await productById(request.params.id) ?? reply.code(404).send({ error: 'no such product' }))

  server.put<{ Params: { id: string }; Body: { price: number } }>('/products/:id/price', async (request, reply) => {
    const { rows } = await pool.query('update products set price = $2 where id = $1 returning id, name, price', [request.params.id, request.body.price])
    productById.drop(request.params.id)
    return rows[0] ?? reply.code(404).send({ error: 'no such product' })
  })

  server.get<{ Querystring: { customer: string } }>('/orders', (request) =>
    db.select({ id: orders.id, productId: orders.productId, quantity: orders.quantity }).from(orders).where(eq(orders.customer, request.query.customer)).orderBy(desc(orders.id)).limit(20))

  server.post<{ Body: { customer: string; productId: number; quantity: number } }>('/orders', async (request, reply) => {
    // The order and its job commit together: no receipt without an order, no order without its receipt.
    const client = await pool.connect()
    try {
      await client.query('begin')
      const [order] = await drizzle(client).insert(orders).values(request.body).returning({ id: orders.id, customer: orders.customer })
      if (order) await jobs.enqueue('receipt', order, { in: client })
      await client.query('commit')
      return await reply.code(201).send(order)
    } catch (error) {
      await client.query('rollback')
      throw error
    } finally {
      client.release()
    }
  })
  return server
}
