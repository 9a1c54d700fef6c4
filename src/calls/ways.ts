import type { ProcedureDefinition } from '../app/index.ts'
import { failed, isTenfoldError } from '../base/index.ts'
import type { Histogram } from '../observe/index.ts'
import { raceDeadline } from '../resilience/index.ts'
import type { Platform, Step, Way } from './call.ts'
import { actionContext, lookupContext } from './steps.ts'

/** A lookup's handler: steps that only read. */
export function looking(platform: Platform): Way {
  return async (call) => call.procedure.strip(await call.procedure.run(lookupContext(platform, call), call.input))
}

/** An action's handler. */
export function acting(platform: Platform): Way {
  return async (call) => call.procedure.strip(await call.procedure.run(actionContext(platform, call), call.input))
}

/** What was sent, read once it is known who asks, and that there is room: who may not call learns nothing about the rest of the request. */
export const received: Step = (next) => (call) => {
  const { arrival } = call
  if (arrival) {
    call.input ??= arrival.sent()
    arrival.open(call.input as Record<string, unknown>, call.caller)
    call.idempotencyKey = arrival.idempotencyKey
  }
  return next(call)
}

/** The input is what its schema says. Errors: `invalid`, with every fault. */
export function checked({ validate }: ProcedureDefinition): Step {
  return (next) => (call) => {
    validate(call.input)
    return next(call)
  }
}

/** How often, how long, and how it ended. A series is found once for each outcome. */
export function counted(platform: Platform, { name, kind }: ProcedureDefinition): Step {
  const outcomes = new Map<string, Histogram>()
  const observe = (outcome: string, began: number) => {
    let series = outcomes.get(outcome)
    if (!series) outcomes.set(outcome, series = platform.metrics.histogram('rpc_server_duration_seconds', 'Duration of calls, by procedure and outcome', { rpc_method: name, rpc_kind: kind, outcome }))
    series.observe((platform.clock.monotonic() - began) / 1000)
  }
  return (next) => async (call) => {
    const began = platform.clock.monotonic()
    try {
      const answer = await next(call)
      observe('ok', began)
      return answer
    } catch (error) {
      observe(isTenfoldError(error) ? error.code : 'internal', began)
      throw error
    }
  }
}

/**
 * Statements and calls heed the deadline by themselves; a handler that does not is left behind this much later, in milliseconds: after a
 * command's own grace, since that one knows whether anything was committed.
 */
const graceMs = 350

/** A call from outside is answered when its time is over, whatever its handler does. */
export function timed(platform: Platform, { name, kind }: ProcedureDefinition): Step {
  const late = () => kind === 'query' || kind === 'lookup'
    ? failed('timeout', `${name} passed its time limit: try again.`)
    : failed('outcome-unknown', `${name} passed its time limit while it was at work: repeat the request with the same key to learn its outcome.`)
  return (next) => (call) => raceDeadline(platform.clock, call.deadline, graceMs, next(call), late)
}
