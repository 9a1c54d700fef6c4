import { fileOutput, notFound, page, pageInput, pageOf, t } from 'tenfold'
import { caller, Id } from '../kit.ts'
import { Line, orders } from './module.ts'

export const Status = t.Union([t.Literal('pending'), t.Literal('processing'), t.Literal('paid'), t.Literal('declined')])
export const Order = t.Object({ id: Id, status: Status, total: t.Integer(), items: t.Array(Line) })
const OrderRow = t.Object({ id: Id, status: Status, total: t.Integer(), placedAt: t.String() })
/** `caller.id`: from outside, only the caller's identity fills it, so one's own orders are all that one can name. */
const Mine = t.Object({ customerId: caller.id, id: Id })

/** A payment's status is never read from a copy that may lag. */
export const orderById = orders.query('byId', { input: Mine, output: t.Object({ id: Id, status: Status, total: t.Integer(), placedAt: t.String(), items: t.Array(Line) }), consistency: 'primary' }).handle(async (ctx, { customerId, id }) => {
  const order = await ctx.db.selectFrom('orders').select(['id', 'status', 'total', 'placedAt']).where('customerId', '=', customerId).where('id', '=', id).executeTakeFirst()
  if (!order) throw notFound('order', id)
  const items = await ctx.db.selectFrom('orderLines').select(['productId', 'quantity', 'price']).where('customerId', '=', customerId).where('orderId', '=', id).orderBy('position').execute()
  return { ...order, items }
})

export const myOrders = orders.query('mine', { input: pageInput({ customerId: caller.id }), output: pageOf(OrderRow) }).handle((ctx, input) =>
  page(ctx.db.selectFrom('orders').select(['id', 'status', 'total', 'placedAt']).where('customerId', '=', input.customerId), input, ['placedAt desc', 'id desc']))

export const receiptOf = orders.query('receipt', { input: Mine, output: fileOutput() }).handle(async (ctx, { customerId, id }) => {
  const found = await ctx.db.selectFrom('orders').select(['receipt', 'status']).where('customerId', '=', customerId).where('id', '=', id).executeTakeFirst()
  if (!found) throw notFound('order', id)
  if (!found.receipt) throw found.status === 'declined' ? notFound('receipt', id) : notFound('receipt', id, { retryAfter: '2s' })
  return found.receipt
})

/** Over every customer: named, so that it is known to ask every shard. */
export const revenue = orders.query('revenue', {
  input: t.Object({}), output: t.Object({ orders: t.Integer(), pence: t.Integer() }), shardKey: 'all',
  merge: (parts) => ({ orders: parts.reduce((sum, part) => sum + part.orders, 0), pence: parts.reduce((sum, part) => sum + part.pence, 0) }),
}).handle(async (ctx) => (await ctx.db.sql<{ orders: number; pence: number }>`select count(*) as orders, coalesce(sum(total), 0)::bigint as pence from orders where status = 'paid'`)[0] ?? { orders: 0, pence: 0 })
