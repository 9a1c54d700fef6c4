import type { Caller, ProcedureDefinition } from '../app/index.ts'
import { type Clock, Positions } from '../base/index.ts'
import type { Trace } from '../observe/index.ts'
import { type Deadline, deadlineIn } from '../resilience/index.ts'
import type { Cache } from './cache.ts'

/** What this step needs to know of a call. */
interface Asking { readonly procedure: ProcedureDefinition; input: unknown; caller: Caller; readonly positions: Positions; readonly deadline: Deadline; readonly trace: Trace }

/**
 * A step of a cached query's way: the answer that is known, or the one that the rest of the way finds. What is shared belongs to nobody:
 * it is loaded without a caller, in the query's own time, and whoever gets it has from then on seen what it was loaded from.
 */
export function known(cache: Cache, clock: Clock) {
  return <C extends Asking>(next: (call: C) => Promise<unknown>) => async (call: C): Promise<unknown> => {
    const { procedure, input, trace: { span } } = call
    let isLoaded = false
    const found = await cache.get(procedure, input as Record<string, unknown>, async () => {
      isLoaded = true
      const positions = new Positions()
      positions.primaryUntil = Infinity // also for the queries that it calls: a replica could put back what was just dropped
      const value = await next({ ...call, caller: null, positions, deadline: deadlineIn(clock, procedure.timeoutMs) })
      positions.primaryUntil = 0
      return { value, positions }
    })
    call.positions.merge(found.positions)
    if (span) span.attributes['tenfold.cache.hit'] = !isLoaded
    return found.value
  }
}
