/** What shoppers see. Names and prices are cached until an event changes them; stock is a query of its own, a second old at most. */
import { get, notFound, page, pageInput, pageOf, put, routes, t, when } from 'tenfold'
import { anyone, ById, Id, Pence, role } from '../kit.ts'
import { catalogue, Listing, priceChanged, Product, productsImported } from './module.ts'
import { recommendations } from './recommendations.ts'

const listingById = catalogue.query('listingById', {
  input: ById, output: Listing, notFound: 'product',
  cache: { ttl: '15m', staleFor: '1m', invalidatedBy: [when(priceChanged, ({ productId }) => ({ id: productId })), when(productsImported, () => ({}))] },
}).statement((db, { id }) => db.selectFrom('products').select(['id', 'sku', 'name', 'price']).where('id', '=', id))

const stockById = catalogue.query('stockById', {
  input: ById, output: t.Object({ stock: t.Integer() }), notFound: 'product', cache: { ttl: '500ms', invalidatedBy: { none: 'stock may be a second old; an order looks again' } },
}).statement((db, { id }) => db.selectFrom('products').select('stock').where('id', '=', id))

export const productById = catalogue.query('byId', { input: ById, output: Product }).handle(async (ctx, input) => {
  const [listing, { stock }] = await Promise.all([ctx.call(listingById, input), ctx.call(stockById, input)])
  return { ...listing, stock }
})

const listings = catalogue.query('listings', {
  input: pageInput({ q: t.Optional(t.String({ maxLength: 100 })) }), output: pageOf(Listing),
  cache: { ttl: '1m', invalidatedBy: [when(priceChanged, () => ({})), when(productsImported, () => ({}))] },
}).handle((ctx, input) => {
  let found = ctx.db.selectFrom('products').select(['id', 'sku', 'name', 'price'])
  for (const word of (input.q ?? '').toLowerCase().split(/\s+/).filter(Boolean)) found = found.where('words', 'like', `%${word.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`)
  return page(found, input, ['id'])
})

const stocks = catalogue.query('stocks', {
  input: t.Object({ ids: t.Array(Id) }), output: t.Array(t.Object({ id: Id, stock: t.Integer() })), cache: { ttl: '500ms', invalidatedBy: { none: 'stock may be a second old; an order looks again' } },
}).handle(async (ctx, { ids }) => ids.length === 0 ? [] : ctx.db.selectFrom('products').select(['id', 'stock']).where('id', 'in', ids).execute())

export const products = catalogue.query('list', { input: pageInput({ q: t.Optional(t.String({ maxLength: 100 })) }), output: pageOf(Product) }).handle(async (ctx, input) => {
  const found = await ctx.call(listings, input)
  const stock = new Map((await ctx.call(stocks, { ids: found.data.map(({ id }) => id) })).map((row) => [row.id, row.stock]))
  return { ...found, data: found.data.map((listing) => ({ ...listing, stock: stock.get(listing.id) ?? 0 })) }
})

export const setPrice = catalogue.command('setPrice', { input: t.Object({ id: Id, price: Pence }), output: Product }).handle(async (ctx, { id, price }) => {
  const product = await ctx.db.updateTable('products').set({ price }).where('id', '=', id).returning(['id', 'sku', 'name', 'price', 'stock']).executeTakeFirst()
  if (!product) throw notFound('product', id)
  await ctx.emit(priceChanged, { productId: id, price })
  return product
})

export const catalogueRoutes = routes('/v1', [
  get('/products', products, { auth: anyone }),
  get('/products/{id}', productById, { auth: anyone }),
  get('/products/{id}/recommendations', recommendations, { auth: anyone }),
  put('/products/{id}/price', setPrice, { auth: role('admin') }),
])
