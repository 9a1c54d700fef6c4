/** The application that is measured: written as the shop is, with nothing in it that a reader would not write. */
import { anyone, ById, Id } from './kit.ts'
import { defineApp, defineModule, get, routes, t } from '../../src/index.ts'
import { orders } from './orders.ts'

interface Tables { products: { id: string; sku: string; name: string; price: number; stock: number } }
const catalogue = defineModule<Tables>()('catalogue', { migrations: new URL('./migrations/catalogue/', import.meta.url) })
const Product = t.Object({ id: Id, sku: t.String(), name: t.String(), price: t.Integer(), stock: t.Integer() })
const columns = ['id', 'sku', 'name', 'price', 'stock'] as const

/** Asked of Postgres each time. */
const byId = catalogue.query('byId', { input: ById, output: Product, notFound: 'product' })
  .statement((db, { id }) => db.selectFrom('products').select(columns).where('id', '=', id))

/** The same, from whichever copy. */
const eventualById = catalogue.query('eventualById', { input: ById, output: Product, notFound: 'product', consistency: 'eventual' })
  .statement((db, { id }) => db.selectFrom('products').select(columns).where('id', '=', id))

/** The same by a handler, in a transaction of its own. */
export const byIdAsHandler = catalogue.query('byIdAsHandler', { input: ById, output: Product, notFound: 'product' })
  .handle((ctx, { id }) => ctx.db.selectFrom('products').select(columns).where('id', '=', id).executeTakeFirstOrThrow())

/** The same, remembered. */
export const knownById = catalogue.query('knownById', { input: ById, output: Product, notFound: 'product', cache: { ttl: '1h', invalidatedBy: { none: 'nothing changes a product here' } } })
  .statement((db, { id }) => db.selectFrom('products').select(columns).where('id', '=', id))

export const app = defineApp('bench', {
  modules: [catalogue, orders],
  routes: [routes('', [get('/products/{id}', byId, { auth: anyone }), get('/known-products/{id}', knownById, { auth: anyone }), get('/eventual-products/{id}', eventualById, { auth: anyone })])],
})
