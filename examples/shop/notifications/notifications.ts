import nodemailer from 'nodemailer'
import { defineModule, t } from 'tenfold'
import { contact } from '../identity/identity.ts'
import { Id, Nothing } from '../kit.ts'
import { formatPence } from '../money.ts'
import { orderPaid } from '../orders/module.ts'

export const notifications = defineModule<Record<never, never>>()('notifications', { migrations: new URL('./migrations/', import.meta.url) })

const smtp = notifications.dependency('smtp', { timeout: '5s', config: ['url'] })
export const send = smtp.operation('send', { input: t.Object({ to: t.String(), subject: t.String(), text: t.String() }), output: Nothing }).handle(async (io, mail) => {
  const transport = nodemailer.createTransport(io.config['url'] as string)
  try {
    // The id is the call's key: who receives a mail twice can tell.
    await transport.sendMail({ from: 'shop@example.com', ...mail, messageId: `<${io.key}@shop.example.com>` })
  } finally {
    transport.close()
  }
  return null
}).fallback({ none: 'the job tries again' })

const confirm = notifications.job('confirm', { input: t.Object({ orderId: Id, customerId: Id, total: t.Integer() }), timeout: '10s', tries: 12 }).handle(async (ctx, { orderId, customerId, total }) => {
  const found = await ctx.call(contact, { userId: customerId })
  if (found) await ctx.call(send, { to: found.email, subject: `Your order ${orderId}`, text: `Thank you, ${found.name}: we received ${formatPence(total)} for your order ${orderId}.` })
})
notifications.on(orderPaid, 'confirmation', {}, (ctx, { orderId, customerId, total }) => ctx.enqueue(confirm, { orderId, customerId, total }))
