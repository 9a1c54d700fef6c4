/** A service as it was: Express, plain `pg`, and Kysely for the orders. */
import express, { type Express } from 'express'
import { type Generated, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'

export interface Tables { orders: { id: Generated<number>; customer: string; product_id: number; quantity: number; placed_at: Generated<Date> } }
export interface ServiceOptions { readonly databaseUrl: string; readonly sendReceipt: (order: { id: number; customer: string }) => Promise<void> }
export interface Service { readonly app: Express; close(): Promise<void> }

export async function buildService({ databaseUrl, sendReceipt }: ServiceOptions): Promise<Service> {
  const pool = new pg.Pool({ connectionString: databaseUrl })
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  const app = express()
  app.use(express.json())

  app.get('/products/:id', async (request, response) => {
    const { rows } = await pool.query('select id, name, price from products where id = $1', [request.params.id])
    if (rows[0]) response.json(rows[0])
    else response.status(404).json({ error: 'no such product' })
  })

  app.put('/products/:id/price', async (request, response) => {
    const { rows } = await pool.query('update products set price = $2 where id = $1 returning id, name, price', [request.params.id, request.body.price])
    if (rows[0]) response.json(rows[0])
    else response.status(404).json({ error: 'no such product' })
  })

  app.get('/orders', async (request, response) => {
    response.json(await db.selectFrom('orders').select(['id', 'product_id as productId', 'quantity']).where('customer', '=', String(request.query['customer'])).orderBy('id', 'desc').limit(20).execute())
  })

  app.post('/orders', async (request, response) => {
    const { customer, productId, quantity } = request.body as { customer: string; productId: number; quantity: number }
    const order = await db.insertInto('orders').values({ customer, product_id: productId, quantity }).returning(['id', 'customer']).executeTakeFirstOrThrow()
    // The customer waits for the mail; and when it fails, so does the order that is placed already.
    await sendReceipt(order)
    response.status(201).json(order)
  })
  return { app, close: () => db.destroy() }
}
