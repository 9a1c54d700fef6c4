/** Fastify with a schema and nothing else: asking a pool of 20 with or without named statements, or answering a constant. */
import Fastify from 'fastify'
import pg from 'pg'
import { contend, type Given } from '../contender.ts'
import { ownDatabase, product, productsTable, seed, withClient } from '../place.ts'
import { productSchema } from './product-schema.ts'

const constant = product(1)
const text = 'select id, sku, name, price, stock from products where id = $1'

await contend(async (given) => {
  const find = given.options['answer'] === 'constant' ? async () => constant : await asked(given)
  const app = Fastify()
  app.get<{ Params: { id: string } }>('/products/:id', { schema: productSchema }, async (request, reply) =>
    await find(request.params.id) ?? reply.code(404).send({ message: 'There is no such product.' }))
  return { about: { url: await app.listen({ host: '127.0.0.1', port: 0 }) } }
})

async function asked(given: Given): Promise<(id: string) => Promise<unknown>> {
  const named = given.options['answer'] === 'named'
  const place = await ownDatabase(given.postgres, named ? 'bare_named' : 'bare')
  await withClient(place, (client) => client.query(productsTable))
  await seed(place, 'products')
  const pool = new pg.Pool({ ...place, max: 20 })
  const statement = named ? { name: 'product', text } : { text }
  return async (id) => (await pool.query({ ...statement, values: [id] })).rows[0]
}
