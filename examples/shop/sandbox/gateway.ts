import { randomUUID } from 'node:crypto'
import { noSuchRoute, problem, type Answer, type Asked } from './http.ts'
import { openJournal } from './journal.ts'
import { slowAnswerMs, startService, type Service } from './service.ts'

/** What the gateway took for an order: pence of its first charge, and how many charges were really made (1, if callers use keys right). */
export interface Charge { orderId: string; amount: number; times: number }

export const gatewayFaults = ['none', 'slow', 'error', 'down', 'duplicate', 'declined'] as const
export type GatewayFault = (typeof gatewayFaults)[number]

export interface Gateway extends Service<GatewayFault> {
  charges(orderId?: string): Charge[]
}

/** The first result of a key, for ever. */
interface Result { key: string; orderId: string; amount: number; outcome: 'paid' | 'declined'; chargeId?: string }

/**
 * A payment gateway: `POST /charges` {orderId, amount} with the header `idempotency-key`, and `GET /charges?orderId=`.
 * A key seen before is never charged again. The faults touch charging alone, except `down`, which is everything.
 * Charges are kept in `file`, written before they are answered.
 */
export async function startGateway(options: { file: string; port?: number; slowMs?: number }): Promise<Gateway> {
  const results = new Map<string, Result>()
  const charges = new Map<string, Charge>()
  const journal = openJournal<Result>(options.file, (result) => {
    if (!results.has(result.key)) results.set(result.key, result)
    if (result.outcome === 'declined') return
    const charge = charges.get(result.orderId)
    if (charge === undefined) charges.set(result.orderId, { orderId: result.orderId, amount: result.amount, times: 1 })
    else charge.times += 1
  })

  function take(asked: Asked, fault: GatewayFault): Answer {
    const key = asked.headers['idempotency-key']
    if (typeof key !== 'string' || key === '') return problem(400, 'The Idempotency-Key header is missing', 'Send a key that is the same in every attempt.')
    const body = asChargeBody(asked.body)
    if (body === undefined) return problem(422, 'The request is not valid', 'Send {orderId: text, amount: whole pence, 0 or more}.')
    const seen = results.has(key)
    if (!seen) {
      journal.append(fault === 'declined' ? { key, ...body, outcome: 'declined' } : { key, ...body, outcome: 'paid', chargeId: `ch_${randomUUID()}` })
    }
    const first = resultAnswer(results.get(key) as Result)
    if (fault === 'error') return problem(500, 'The gateway failed', 'It is for the caller to find out whether it was charged.')
    if (fault === 'duplicate' && seen) return { ...first, status: 409 }
    return fault === 'slow' ? { ...first, afterMs: options.slowMs ?? slowAnswerMs } : first
  }

  function list(orderId?: string): Charge[] {
    journal.catchUp()
    return [...charges.values()].filter((charge) => orderId === undefined || charge.orderId === orderId)
  }

  function handle(asked: Asked, fault: GatewayFault): Answer {
    // A predecessor whose shop was killed may have charged after this process had read the file.
    journal.catchUp()
    if (asked.path !== '/charges') return noSuchRoute(asked)
    if (asked.method === 'POST') return take(asked, fault)
    return asked.method === 'GET' ? { status: 200, body: { charges: list(asked.query.get('orderId') ?? undefined) } } : noSuchRoute(asked)
  }

  const service = await startService(gatewayFaults, handle, options.port)
  return Object.assign(service, { charges: list })
}

function asChargeBody(body: unknown): { orderId: string; amount: number } | undefined {
  const { orderId, amount } = (body ?? {}) as { orderId?: unknown; amount?: unknown }
  if (typeof orderId !== 'string' || orderId === '' || orderId.length > 200) return undefined
  return Number.isSafeInteger(amount) && (amount as number) >= 0 ? { orderId, amount: amount as number } : undefined
}

function resultAnswer(result: Result): Answer {
  if (result.outcome === 'declined') return { status: 402, body: { outcome: 'declined' } }
  return { status: 200, body: { outcome: 'paid', chargeId: result.chargeId } }
}
