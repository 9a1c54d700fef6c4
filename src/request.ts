import type { ProcedureDefinition, RouteDefinition } from './app/index.ts'
import { allowed, type Authenticator } from './auth/index.ts'
import { known, type Cache } from './cache/index.ts'
import { acting, checked, counted, durable, keyed, looking, outside, type Platform, reading, received, type Step, timed, transactional, type Way } from './calls/index.ts'
import { type Limiter, limited, limitedByCaller, type Shedder, shedding } from './limit/index.ts'

/** What only a call from outside meets. */
export interface Gate { readonly route: RouteDefinition; readonly authenticator: Authenticator; readonly limiter: Limiter; readonly shedder: Shedder }

/**
 * THE MAP: one call's way through the tiers, in order, one line a step. A step that a procedure does not use is not in its way.
 * It is composed once, when the application starts; ARCHITECTURE.md draws it.
 */
export function compose(platform: Platform, cache: Cache, procedure: ProcedureDefinition, gate?: Gate): Way {
  const { kind, query } = procedure
  const steps: (Step | false | undefined)[] = [
    counted(platform, procedure),                                 // observe   how often, how long, how it ended
    gate && limited(gate.limiter, gate.route),                    // limit     has this address had its share
    gate && allowed(gate.authenticator, gate.route),              // auth      who calls, and may they
    gate && limitedByCaller(gate.limiter, gate.route),            // limit     has this caller
    gate && received,                                             // http      what was sent
    checked(procedure),                                           // app       the input is what its schema says
    query?.cache && known(cache, platform.clock),                 // cache     is it known already
    gate && shedding(gate.shedder, gate.route),                   // limit     is there room for the work
    gate && timed(platform, procedure),                           // resilience  until when
    gate && kind === 'command' && keyed,                          // calls     a client's key: answered if it was
    kind === 'action' && durable(platform),                       // calls     written down before it starts; answered if it was
  ]
  return steps.filter((step) => step !== false && step !== undefined).reduceRight((next, step) => step(next), last(platform, procedure))
}

/** Where user code begins. */
function last(platform: Platform, procedure: ProcedureDefinition): Way {
  switch (procedure.kind) {
    case 'query': return reading(platform, procedure)             // data      a copy that has seen what the caller has
    case 'command': return transactional(platform)                // data      one transaction: rows, events, jobs and record
    case 'lookup': return looking(platform)                       // calls     queries and dependencies
    case 'action': return acting(platform)                        // calls     named steps
    case 'operation': return outside(platform)                    // resilience  guarded; else its fallback
  }
}
