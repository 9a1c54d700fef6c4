import type { ProcedureDefinition } from '../app/index.ts'
import type { Cache } from './cache.ts'

/** A step of a cached query's way: the answer that is known, or the one that the rest of the way finds. */
export function known(cache: Cache) {
  return <C extends { readonly procedure: ProcedureDefinition; input: unknown }>(next: (call: C) => Promise<unknown>) =>
    (call: C): Promise<unknown> => cache.get(call.procedure, call.input as Record<string, unknown>, () => next(call))
}
