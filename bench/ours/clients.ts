/** A thousand client connections, each with one transaction at a time: through PgBouncer, or to Postgres itself. */
import { join } from 'node:path'
import pg from 'pg'
import { pgbouncerComponent } from '../../src/ops/rig/components/pgbouncer.ts'
import { freePort } from '../../src/ops/rig/ports.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { contend, rate } from '../contender.ts'
import { productCount, productId, productsTable, seed, withClient } from '../place.ts'

const clients = 1_000

await contend(async (given) => {
  const postgres = await startPostgres({ directory: join(given.directory, 'postgres'), settings: { shared_buffers: '128MB', max_connections: clients + 50 } })
  const home = { ...postgres, database: 'postgres' }
  await withClient(home, (client) => client.query(productsTable))
  await seed(home, 'products')
  const pooler = pgbouncerComponent('pooler', { databases: { postgres: 'primary' }, database: 'postgres', roles: [{ user: postgres.user, password: postgres.password }], size: 20 })
  const place = { directory: join(given.directory, 'pooler'), port: freePort, addressOf: () => `${postgres.host}:${postgres.port}`, signal: new AbortController().signal, now: () => {}, log: () => {} }
  await pooler.check()
  await pooler.prepare(place)
  const running = await pooler.start(place)
  const [host = '', port] = given.options['through'] === 'pooler' ? running.address.split(':') : [postgres.host, String(postgres.port)]
  const open: pg.Client[] = []
  for (let index = 0; index < clients; index += 50) {
    open.push(...await Promise.all(Array.from({ length: 50 }, async () => {
      const client = new pg.Client({ ...home, host, port: Number(port) })
      client.on('error', () => { /* told by the query that fails */ })
      await client.connect()
      return client
    })))
  }
  const idle = [...open]
  return {
    measure: (_what, seconds) => rate(seconds, clients, async () => {
      const client = idle.pop() as pg.Client
      await client.query('select id, sku, name, price, stock from products where id = $1', [productId(Math.floor(Math.random() * productCount))])
      idle.push(client)
    }),
    async close() {
      await Promise.all(open.map((client) => client.end()))
      await running.stop()
      await postgres.stop()
    },
  }
})
