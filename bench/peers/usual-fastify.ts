/** What a team writes by hand: Fastify, a pool of 20, and the usual plugins, each with what its README says. */
import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { contend } from '../contender.ts'
import { ownDatabase, productsTable, seed, withClient } from '../place.ts'
import { productSchema } from './product-schema.ts'
import { startTracing } from './tracing.ts'

const require = createRequire(import.meta.url)

await contend(async (given) => {
  startTracing(given.sink)
  const { Fastify, Pool, helmet, rateLimit, underPressure, pino } = loaded()
  const place = await ownDatabase(given.postgres, 'usual')
  await withClient(place, (client) => client.query(productsTable))
  await seed(place, 'products')
  const pool = new Pool({ ...place, max: 20 })
  const app = Fastify({
    // pino's "Asynchronous logging": lines are gathered and written 4 kB at a time.
    loggerInstance: pino(pino.destination({ dest: join(given.directory, 'access.log'), sync: false, minLength: 4096 })),
    requestIdHeader: 'x-request-id', genReqId: () => randomUUID(),
  })
  await app.register(helmet)
  // Counts every request, and is never reached: all of them come from one address.
  await app.register(rateLimit, { max: 1_000_000_000, timeWindow: '1 minute' })
  // As in its README, without maxEventLoopUtilization: that one refuses requests of any process that is busy, which a load test is.
  await app.register(underPressure, { maxEventLoopDelay: 1_000, maxHeapUsedBytes: 1_000_000_000, maxRssBytes: 1_500_000_000 })
  app.addHook('onSend', async (request, reply) => { reply.header('x-request-id', request.id) })
  app.get<{ Params: { id: string } }>('/products/:id', { schema: productSchema }, async (request, reply) => {
    const { rows } = await pool.query('select id, sku, name, price, stock from products where id = $1', [request.params.id])
    return rows[0] ?? reply.code(404).send({ message: 'There is no such product.' })
  })
  return { about: { url: await app.listen({ host: '127.0.0.1', port: 0 }) } }
})

function loaded() {
  return {
    Fastify: require('fastify') as typeof import('fastify').default,
    helmet: require('@fastify/helmet') as typeof import('@fastify/helmet').default,
    rateLimit: require('@fastify/rate-limit') as typeof import('@fastify/rate-limit').default,
    underPressure: require('@fastify/under-pressure') as typeof import('@fastify/under-pressure').default,
    pino: require('pino') as typeof import('pino').default,
    Pool: (require('pg') as typeof import('pg')).Pool,
  }
}
