/** What else a shopper may like: the recommender's word for it; while it is down, what sells best. */
import { notFound, t } from 'tenfold'
import { ById, Id } from '../kit.ts'
import { orderPaid } from '../orders/module.ts'
import { catalogue, Product } from './module.ts'

const shown = 10
const Products = t.Array(Product)

const productsByIds = catalogue.query('byIds', { input: t.Object({ ids: t.Array(Id, { maxItems: 1000 }) }), output: Products }).handle(async (ctx, { ids }) =>
  ids.length === 0 ? [] : ctx.db.selectFrom('products').select(['id', 'sku', 'name', 'price', 'stock']).where('id', 'in', ids).execute())
export { productsByIds }

export const mostPopular = catalogue.query('mostPopular', {
  input: t.Object({ limit: t.Integer({ minimum: 1, maximum: 100 }) }), output: Products, cache: { ttl: '5s', staleFor: '1m', invalidatedBy: { none: 'a ranking may be seconds old' } },
}).handle((ctx, { limit }) => ctx.db.selectFrom('products').leftJoin('bestSellers', 'productId', 'id').select(['id', 'sku', 'name', 'price', 'stock'])
  .orderBy((eb) => eb.fn.coalesce('units', eb.lit(0)), 'desc').orderBy('id').limit(limit).execute())

const exists = catalogue.query('exists', { input: ById, output: t.Boolean() }).handle(async (ctx, { id }) => await ctx.db.selectFrom('products').select('id').where('id', '=', id).executeTakeFirst() !== undefined)

const recommender = catalogue.dependency('recommender', { timeout: '300ms', breaker: { failures: 0.5, within: '30s', openFor: '5s' }, config: ['url'] })
export const alike = recommender.operation('alike', { input: ById, output: t.Object({ ids: t.Union([t.Array(Id), t.Null()]) }) }).handle(async (io, { id }) => {
  const answer = await fetch(`${io.config['url']}/alike/${id}`, { signal: io.signal, headers: { traceparent: io.traceparent } })
  if (!answer.ok) throw new Error(`the recommender answered ${answer.status}`)
  return await answer.json() as { ids: string[] }
}).fallback(async () => ({ ids: null }))

export const recommendations = catalogue.lookup('recommendations', { input: ById, output: t.Object({ products: Products, degraded: t.Boolean() }) }).handle(async (ctx, { id }) => {
  if (!await ctx.call(exists, { id })) throw notFound('product', id)
  const { ids } = await ctx.call(alike, { id })
  return ids ? { products: await ctx.call(productsByIds, { ids: ids.slice(0, shown) }), degraded: false } : { products: await ctx.call(mostPopular, { limit: shown }), degraded: true }
})

catalogue.projection('bestSellers', { tables: ['bestSellers'] }).on(orderPaid, async ({ db }, { lines }) => {
  const units = new Map<string, number>()
  for (const { productId, quantity } of lines) units.set(productId, (units.get(productId) ?? 0) + quantity)
  await db.insertInto('bestSellers').values([...units].toSorted().map(([productId, sold]) => ({ productId, units: sold })))
    .onConflict((c) => c.column('productId').doUpdateSet((eb) => ({ units: eb('bestSellers.units', '+', eb.ref('excluded.units')) }))).execute()
})
