import { defineModule, t } from '../../src/index.ts'
import { Id } from './kit.ts'

interface Tables {
  orders: { id: string; customerId: string; status: string; total: number; placedAt: string }
  orderLines: { orderId: string; customerId: string; position: number; productId: string; quantity: number; price: number }
}
/** Sharded by customer, as the shop's orders are: row security is on. */
export const orders = defineModule<Tables>()('orders', { migrations: new URL('./migrations/orders/', import.meta.url), shardKey: 'customerId' })

const Line = t.Object({ productId: Id, quantity: t.Integer({ minimum: 1 }), price: t.Integer({ minimum: 0 }) })
const orderPlaced = orders.event('order.placed', t.Object({ orderId: Id, customerId: Id, total: t.Integer() }), { orderedBy: 'orderId' })

const started: ((n: number) => void)[] = []
/** Told of each job that starts, in this process. */
export function onStarted(listener: (n: number) => void): void { started[0] = listener }

const nothing = orders.job('nothing', { input: t.Object({ customerId: Id, n: t.Integer() }), timeout: '10s', tries: 3 }).handle(async (_ctx, { n }) => started[0]?.(n))

/** An order with its lines, an event, a job, and (called with a key) its idempotency record: one transaction. */
export const place = orders.command('place', { input: t.Object({ customerId: Id, lines: t.Array(Line) }), output: t.Object({ id: Id, total: t.Integer() }) }).handle(async (ctx, { customerId, lines }) => {
  const id = ctx.id('order')
  const total = lines.reduce((sum, line) => sum + line.price * line.quantity, 0)
  await ctx.db.insertInto('orders').values({ id, customerId, total, status: 'pending', placedAt: ctx.now.toISOString() }).execute()
  await ctx.db.insertInto('orderLines').values(lines.map((line, position) => ({ orderId: id, customerId, position, ...line }))).execute()
  await ctx.emit(orderPlaced, { orderId: id, customerId, total })
  await ctx.enqueue(nothing, { customerId, n: 0 })
  return { id, total }
})

/** Jobs `from` to `to`, in one transaction. */
export const enqueue = orders.command('enqueue', { input: t.Object({ customerId: Id, from: t.Integer(), to: t.Integer() }), output: t.Null() }).handle(async (ctx, { customerId, from, to }) => {
  for (let n = from; n < to; n++) await ctx.enqueue(nothing, { customerId, n })
  return null
})
