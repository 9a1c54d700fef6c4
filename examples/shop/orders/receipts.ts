/** After payment, a receipt: made by a job, so that nothing about it can delay or fail the order. */
import { fileOutput, t } from 'tenfold'
import { productsByIds } from '../catalogue/recommendations.ts'
import { Id, Nothing } from '../kit.ts'
import { receiptPdf } from '../receipt.ts'
import { orderPaid, orders } from './module.ts'
import { orderById } from './reading.ts'

const makeReceipt = orders.job('makeReceipt', { input: t.Object({ customerId: Id, id: Id }), timeout: '30s', tries: 10 }).handle(async (ctx, input) => {
  const order = await ctx.call(orderById, input)
  const products = await ctx.call(productsByIds, { ids: [...new Set(order.items.map(({ productId }) => productId))] })
  const names = new Map(products.map(({ id, name }) => [id, name]))
  const items = order.items.map((item) => ({ ...item, name: names.get(item.productId) ?? item.productId }))
  const file = await ctx.files.put(`receipt-${order.id}.pdf`, await receiptPdf({ ...order, items }), { type: 'application/pdf' })
  await ctx.call(attachReceipt, { ...input, file })
})

const attachReceipt = orders.command('attachReceipt', { input: t.Object({ customerId: Id, id: Id, file: fileOutput() }), output: Nothing }).handle(async (ctx, { customerId, id, file }) => {
  await ctx.db.updateTable('orders').set({ receipt: JSON.stringify(file) as never }).where('customerId', '=', customerId).where('id', '=', id).execute()
  return null
})

orders.on(orderPaid, 'receipt', {}, (ctx, { customerId, orderId }) => ctx.enqueue(makeReceipt, { customerId, id: orderId }))
