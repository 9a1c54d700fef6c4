import { defineModule, t } from 'tenfold'
import { Id, Nothing } from '../kit.ts'

interface Tables { payments: { orderId: string; amount: number; outcome: 'paid' | 'declined' } }
export const payments = defineModule<Tables>()('payments', { migrations: new URL('./migrations/', import.meta.url) })

const Charge = t.Object({ orderId: Id, amount: t.Integer({ minimum: 0 }) })
const Outcome = t.Object({ outcome: t.Union([t.Literal('paid'), t.Literal('declined'), t.Literal('unknown')]) })

const gateway = payments.dependency('gateway', { timeout: '1500ms', breaker: { failures: 0.5, within: '30s', openFor: '5s' }, atMost: { running: 50, waiting: 200 }, config: ['url'] })

/** The order's id is the key: however often it is asked, the gateway charges once. */
export const charge = gateway.operation('charge', { input: Charge, output: Outcome }).handle(async (io, { orderId, amount }) => {
  const answer = await fetch(`${io.config['url']}/charges`, {
    method: 'POST', signal: io.signal, headers: { 'content-type': 'application/json', 'idempotency-key': orderId, traceparent: io.traceparent }, body: JSON.stringify({ orderId, amount }),
  })
  // 409: this key was seen before; the body is its first result.
  if (answer.ok || answer.status === 402 || answer.status === 409) {
    const { outcome } = await answer.json() as { outcome?: string }
    if (outcome === 'paid' || outcome === 'declined') return { outcome }
  }
  throw new Error(`the gateway answered ${answer.status}`)
}).fallback(async () => ({ outcome: 'unknown' }))

const record = payments.command('record', { input: t.Object({ orderId: Id, amount: t.Integer(), outcome: t.Union([t.Literal('paid'), t.Literal('declined')]) }), output: Nothing }).handle(async (ctx, input) => {
  await ctx.db.insertInto('payments').values(input).onConflict((c) => c.doNothing()).execute()
  return null
})

export const takePayment = payments.action('take', { input: Charge, output: Outcome, backstop: { none: 'its caller has one' } }).handle(async (ctx, input) => {
  const { outcome } = await ctx.call(charge, input)
  if (outcome !== 'unknown') await ctx.call(record, { ...input, outcome })
  return { outcome }
})
