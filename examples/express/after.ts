/** The same service, with three tiers taken up, one route at a time. What is not mentioned in a comment is as it was. */
import express from 'express'
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import { createCache } from 'tenfold/cache'
import { createData } from 'tenfold/data'
import { createJobs } from 'tenfold/jobs'
import type { Service, ServiceOptions, Tables } from './before.ts'

export async function buildService({ databaseUrl, sendReceipt }: ServiceOptions): Promise<Service> {
  // 2. `tenfold/data`: its pool is a pg.Pool, for plain pg and for Kysely alike. Lone SELECTs are pipelined and prepared from now on.
  const data = createData<Tables>({ primary: databaseUrl })
  const { pool } = data
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  // 1. `tenfold/cache`: one function is remembered, and dropped where it changes.
  const cache = createCache({ entries: 10_000 })
  const productById = cache.around('product', { ttl: '15m', staleFor: '1m' }, async (id: string) => (await pool.query('select id, name, price from products where id = $1', [id])).rows[0])
  // 3. `tenfold/jobs`: what the customer need not wait for.
  const jobs = createJobs({ database: databaseUrl, jobs: { receipt: { timeout: '10s', tries: 8, run: (order: { id: number; customer: string }) => sendReceipt(order) } } })
  await jobs.migrate()
  jobs.start()

  const app = express()
  app.use(express.json())

  app.get('/products/:id', async (request, response) => {
    const product = await productById(request.params.id)
    if (product) response.json(product)
    else response.status(404).json({ error: 'no such product' })
  })

  app.put('/products/:id/price', async (request, response) => {
    const { rows } = await pool.query('update products set price = $2 where id = $1 returning id, name, price', [request.params.id, request.body.price])
    productById.drop(request.params.id)
    if (rows[0]) response.json(rows[0])
    else response.status(404).json({ error: 'no such product' })
  })

  app.get('/orders', async (request, response) => {
    response.json(await db.selectFrom('orders').select(['id', 'product_id as productId', 'quantity']).where('customer', '=', String(request.query['customer'])).orderBy('id', 'desc').limit(20).execute())
  })

  app.post('/orders', async (request, response) => {
    const { customer, productId, quantity } = request.body as { customer: string; productId: number; quantity: number }
    // The order and its job commit together: no receipt without an order, no order without its receipt.
    const order = await db.transaction().execute(async (trx) => {
      const placed = await trx.insertInto('orders').values({ customer, product_id: productId, quantity }).returning(['id', 'customer']).executeTakeFirstOrThrow()
      await jobs.enqueue('receipt', placed, { in: { query: (text, values) => trx.executeQuery(CompiledQuery.raw(text, values)) } })
      return placed
    })
    response.status(201).json(order)
  })
  return { app, close: async () => { await jobs.close(); await data.close() } }
}
