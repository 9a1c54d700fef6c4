/** Filling the catalogue, from a file or from the synthetic one: used by the shop's start and by `npm run import`, not routed. */
import { t } from 'tenfold'
import { Pence } from '../kit.ts'
import { catalogue, productsImported } from './module.ts'

const NewProduct = t.Object({ sku: t.String({ minLength: 1, maxLength: 100 }), name: t.String({ minLength: 1, maxLength: 500 }), price: Pence, stock: t.Integer({ minimum: 0 }) })

/** Adds products, and brings the name and the price of those that are there to what is given; their stock stays as it is. */
export const importProducts = catalogue.command('import', { input: t.Object({ products: t.Array(NewProduct, { maxItems: 1000 }) }), output: t.Integer() }).handle(async (ctx, { products }) => {
  await ctx.db.insertInto('products').values(products.map((product) => ({ id: ctx.id(product.sku), ...product })) as never)
    .onConflict((c) => c.column('sku').doUpdateSet((eb) => ({ name: eb.ref('excluded.name'), price: eb.ref('excluded.price') }))).execute()
  await ctx.emit(productsImported, { count: products.length })
  return products.length
})

export const productCount = catalogue.query('count', { input: t.Object({}), output: t.Integer(), consistency: 'primary' }).handle(async (ctx) =>
  (await ctx.db.selectFrom('products').select((eb) => eb.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count)

export const productIds = catalogue.query('ids', { input: t.Object({ limit: t.Integer() }), output: t.Array(t.String()) }).handle(async (ctx, { limit }) =>
  (await ctx.db.selectFrom('products').select('id').orderBy('id').limit(limit).execute()).map(({ id }) => id))

/** Notes that a fill from that source has begun, or has ended. */
export const noteFill = catalogue.command('noteFill', { input: t.Object({ source: t.String({ maxLength: 500 }), finished: t.Boolean() }), output: t.Null() }).handle(async (ctx, { source, finished }) => {
  const finishedAt = finished ? ctx.now.toISOString() : null
  await ctx.db.insertInto('fills').values({ source, finishedAt }).onConflict((c) => c.column('source').doUpdateSet({ finishedAt })).execute()
  return null
})

export const fills = catalogue.query('fills', { input: t.Object({}), output: t.Array(t.Object({ source: t.String(), finished: t.Boolean() })), consistency: 'primary' }).handle(async (ctx) =>
  (await ctx.db.selectFrom('fills').selectAll().orderBy('source').execute()).map(({ source, finishedAt }) => ({ source, finished: finishedAt !== null })))
