import { defineModule, t } from 'tenfold'
import { Id, Pence } from '../kit.ts'

interface Tables {
  products: { id: string; sku: string; name: string; price: number; stock: number; words: string }
  reservations: { id: string; productId: string; quantity: number }
  bestSellers: { productId: string; units: number }
  fills: { source: string; finishedAt: string | null }
}
export const catalogue = defineModule<Tables>()('catalogue', { migrations: new URL('./migrations/', import.meta.url) })

export const Product = t.Object({ id: Id, sku: t.String(), name: t.String(), price: Pence, stock: t.Integer() })
/** What seldom changes of a product: everything but its stock. */
export const Listing = t.Object({ id: Id, sku: t.String(), name: t.String(), price: Pence })
export const Quantity = t.Integer({ minimum: 1, maximum: 10_000 })
export const Items = t.Array(t.Object({ productId: Id, quantity: Quantity }), { minItems: 1, maxItems: 1000 })

export const priceChanged = catalogue.event('product.price-changed', t.Object({ productId: Id, price: Pence }), { orderedBy: 'productId' })
export const productsImported = catalogue.event('products.imported', t.Object({ count: t.Integer() }))
export const unknownProduct = catalogue.failure('unknown-product', { status: 422, data: t.Object({ productId: Id }), message: ({ productId }) => `There is no product ${productId}.` })
export const shortStock = catalogue.failure('short-stock', { status: 409, data: t.Object({ productId: Id, left: t.Integer() }), message: ({ productId, left }) => `Only ${left} are left of ${productId}.` })
