import type { RouteDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import type { Step } from '../calls/index.ts'
import type { Metrics } from '../observe/index.ts'

/** How much of the capacity each kind of work may fill: what matters least is turned away first. */
const share = { background: 0.5, normal: 0.85, critical: 1 } as const

export interface Shedder { readonly running: () => number; enter(): void; leave(): void; readonly capacity: number }

export function createShedder(capacity: number, metrics: Metrics): Shedder {
  let running = 0
  metrics.gauge('http_server_active_requests', 'Requests at work', {}, () => running)
  return { capacity, running: () => running, enter: () => { running++ }, leave: () => { running-- } }
}

/** Turns away the excess with 503 and `Retry-After`, so that the rest is served in its time. */
export function shedding(shedder: Shedder, { priority }: RouteDefinition): Step {
  const most = Math.max(1, Math.floor(shedder.capacity * share[priority]))
  return (next) => async (call) => {
    if (shedder.running() >= most) throw failed('overloaded', 'The server has as many requests at work as it can finish in time: try again shortly.', { retryAfterMs: 1_000 })
    shedder.enter()
    try {
      return await next(call)
    } finally {
      shedder.leave()
    }
  }
}
