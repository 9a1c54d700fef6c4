/** Placing an order: a process that crosses three modules and leaves the system. After a crash anywhere it ends in exactly one of its ends. */
import { get, type Infer, post, routes, t } from 'tenfold'
import { Items, shortStock, unknownProduct } from '../catalogue/module.ts'
import { release, reserve } from '../catalogue/stock.ts'
import { caller, Id, signedIn } from '../kit.ts'
import { takePayment } from '../payments/payments.ts'
import { Line, orderPaid, orders } from './module.ts'
import { myOrders, Order, orderById, receiptOf, Status } from './reading.ts'

const Settlement = t.Object({ customerId: Id, id: Id, status: Status })

export const checkout = orders.action('checkout', {
  input: t.Object({ customerId: caller.id, items: Items }), output: Order, errors: [unknownProduct, shortStock], timeout: '2500ms',
  backstop: { after: '3s', giveUpAfter: '24h', undo: async (ctx, { customerId }) => {
    await ctx.call(release, { reservationId: ctx.id('order') })
    return ctx.call(settle, { customerId, id: ctx.id('order'), status: 'declined' })
  } },
}).handle(async (ctx, { customerId, items }) => {
  const id = ctx.id('order')                                     // the same in every attempt, and in undo
  const lines = await ctx.call(reserve, { reservationId: id, items })
  const order = await ctx.call(place, { customerId, id, lines })
  const payment = await ctx.call(takePayment, { orderId: id, amount: order.total })
  if (payment.outcome === 'unknown') return ctx.unfinished(await ctx.call(settle, { customerId, id, status: 'processing' }, { step: 'wait' }))
  if (payment.outcome === 'declined') await ctx.call(release, { reservationId: id })
  return ctx.call(settle, { customerId, id, status: payment.outcome })
})

const place = orders.command('place', { input: t.Object({ customerId: Id, id: Id, lines: t.Array(Line) }), output: Order }).handle(async (ctx, { customerId, id, lines }) => {
  const total = lines.reduce((sum, line) => sum + line.price * line.quantity, 0)
  await ctx.db.insertInto('orders').values({ id, customerId, total, status: 'pending', receipt: null, placedAt: ctx.now.toISOString() }).execute()
  await ctx.db.insertInto('orderLines').values(lines.map((line, position) => ({ orderId: id, customerId, position, ...line }))).execute()
  return { id, status: 'pending', total, items: lines }
})

const settle = orders.command('settle', { input: Settlement, output: Order }).handle(async (ctx, { customerId, id, status }) => {
  const order = await ctx.db.updateTable('orders').set({ status }).where('customerId', '=', customerId).where('id', '=', id).returning(['id', 'status', 'total']).executeTakeFirst()
  // Undone before it was placed: there is no order, and there never was.
  if (!order) return { id, status, total: 0, items: [] as Infer<typeof Line>[] }
  const items = await ctx.db.selectFrom('orderLines').select(['productId', 'quantity', 'price']).where('customerId', '=', customerId).where('orderId', '=', id).orderBy('position').execute()
  if (status === 'paid') await ctx.emit(orderPaid, { orderId: id, customerId, total: order.total, lines: items })
  return { ...order, items }
})

export const orderRoutes = routes('/v1', [
  post('/orders', checkout, { auth: signedIn, status: 201, location: ({ id }) => `/v1/orders/${id}`, idempotencyKey: 'required', priority: 'critical' }),
  get('/orders', myOrders, { auth: signedIn }),
  get('/orders/{id}', orderById, { auth: signedIn }),
  get('/orders/{id}/receipt', receiptOf, { auth: signedIn }),
])
