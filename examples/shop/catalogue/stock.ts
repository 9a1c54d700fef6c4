/** Stock that orders hold. Guarded updates of hot rows, locked in the order of their keys: two orders never wait for each other in a circle. */
import { type Infer, t } from 'tenfold'
import { Id, Nothing, Pence } from '../kit.ts'
import { catalogue, Items, Quantity, shortStock, unknownProduct } from './module.ts'

const PricedLines = t.Array(t.Object({ productId: Id, quantity: Quantity, price: Pence }))

/** All of the lines or none; prices as they are at this moment. */
export const reserve = catalogue.command('reserve', {
  input: t.Object({ reservationId: Id, items: Items }), output: PricedLines, errors: [unknownProduct, shortStock], isolation: 'read committed',
}).handle(async (ctx, { reservationId, items }) => {
  const wanted = new Map<string, number>()
  for (const { productId, quantity } of items) wanted.set(productId, (wanted.get(productId) ?? 0) + quantity)
  const ids = [...wanted.keys()].toSorted()
  const rows = await ctx.db.selectFrom('products').select(['id', 'price', 'stock']).where('id', 'in', ids).orderBy('id').forUpdate().execute()
  const found = new Map(rows.map((row) => [row.id, row]))
  for (const [productId, quantity] of wanted) {
    const product = found.get(productId)
    if (!product) throw unknownProduct({ productId })
    if (product.stock < quantity) throw shortStock({ productId, left: product.stock })
  }
  const quantities = ids.map((id) => wanted.get(id))
  await ctx.db.sql`update products set stock = stock - taken.quantity from unnest(${ids}::uuid[], ${quantities}::int[]) as taken(id, quantity) where products.id = taken.id`
  await ctx.db.insertInto('reservations').values(ids.map((productId) => ({ id: reservationId, productId, quantity: wanted.get(productId) ?? 0 }))).execute()
  const lines: Infer<typeof PricedLines> = items.map((item) => ({ ...item, price: found.get(item.productId)?.price ?? 0 }))
  return lines
})

/** Gives back what the reservation took; nothing where it took nothing. */
export const release = catalogue.command('release', { input: t.Object({ reservationId: Id }), output: Nothing, isolation: 'read committed' }).handle(async (ctx, { reservationId }) => {
  const freed = (await ctx.db.deleteFrom('reservations').where('id', '=', reservationId).returning(['productId', 'quantity']).execute()).toSorted((a, b) => (a.productId < b.productId ? -1 : 1))
  if (freed.length === 0) return null
  const ids = freed.map(({ productId }) => productId)
  await ctx.db.selectFrom('products').select('id').where('id', 'in', ids).orderBy('id').forUpdate().execute()
  await ctx.db.sql`update products set stock = stock + freed.quantity from unnest(${ids}::uuid[], ${freed.map(({ quantity }) => quantity)}::int[]) as freed(id, quantity) where products.id = freed.id`
  return null
})
