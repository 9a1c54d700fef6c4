/** A service as it was: Fastify, plain `pg`, and Drizzle for the orders. */
import { desc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import { orders } from './tables.ts'

export interface ServiceOptions { readonly databaseUrl: string; readonly sendReceipt: (order: { id: number; customer: string }) => Promise<void> }

export async function buildService({ databaseUrl, sendReceipt }: ServiceOptions): Promise<FastifyInstance> {
  const pool = new pg.Pool({ connectionString: databaseUrl })
  const db = drizzle(pool)
  const server = Fastify()
  server.addHook('onClose', () => pool.end())

  server.get<{ Params: { id: string } }>('/products/:id', async (request, reply) => {
    const { rows } = await pool.query('select id, name, price from products where id = $1', [request.params.id])
    return rows[0] ?? reply.code(404).send({ error: 'no such product' })
  })

  server.put<{ Params: { id: string }; Body: { price: number } }>('/products/:id/price', async (request, reply) => {
    const { rows } = await pool.query('update products set price = $2 where id = $1 returning id, name, price', [request.params.id, request.body.price])
    return rows[0] ?? reply.code(404).send({ error: 'no such product' })
  })

  server.get<{ Querystring: { customer: string } }>('/orders', (request) =>
    db.select({ id: orders.id, productId: orders.productId, quantity: orders.quantity }).from(orders).where(eq(orders.customer, request.query.customer)).orderBy(desc(orders.id)).limit(20))

  server.post<{ Body: { customer: string; productId: number; quantity: number } }>('/orders', async (request, reply) => {
    const [order] = await db.insert(orders).values(request.body).returning({ id: orders.id, customer: orders.customer })
    // The customer waits for the mail; and when it fails, so does the order that is placed already.
    if (order) await sendReceipt(order)
    return reply.code(201).send(order)
  })
  return server
}
