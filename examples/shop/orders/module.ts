// What others may name: the tables' owner, events, shared shapes. Imports no other module, so modules may react to each other.
import { defineModule, type FileRef, t } from 'tenfold'
import { Id, Pence } from '../kit.ts'

interface Tables {
  orders: { id: string; customerId: string; status: 'pending' | 'processing' | 'paid' | 'declined'; total: number; receipt: FileRef | null; placedAt: string }
  orderLines: { orderId: string; customerId: string; position: number; productId: string; quantity: number; price: number }
}
export const orders = defineModule<Tables>()('orders', { migrations: new URL('./migrations/', import.meta.url), shardKey: 'customerId' })

export const Line = t.Object({ productId: Id, quantity: t.Integer({ minimum: 1, maximum: 10_000 }), price: Pence })
export const orderPaid = orders.event('order.paid', t.Object({ orderId: Id, customerId: Id, total: t.Integer(), lines: t.Array(Line) }), { orderedBy: 'orderId', keep: '3650d' })
