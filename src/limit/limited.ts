import type { RouteDefinition } from '../app/index.ts'
import type { Rate } from '../base/index.ts'
import type { Call, Step } from '../calls/index.ts'
import { type Limiter, refuse } from './limiter.ts'

/** May it run now: the address's own limit, then those that the route names. What was counted is told in the response. */
export function limited(limiter: Limiter, route: RouteDefinition): Step | undefined {
  if (!limiter.on) return undefined
  const named = route.limit.filter(({ by }) => by !== 'caller').map((rule) => ({ ...rule, name: `${route.method} ${route.path} ${rule.by}` }))
  return counting(limiter, [...(limiter.perAddress ? [{ by: 'address', rate: limiter.perAddress, name: 'address' }] : []), ...named])
}

/** The same for limits on who calls, once that is known. */
export function limitedByCaller(limiter: Limiter, route: RouteDefinition): Step | undefined {
  const rules = route.limit.filter(({ by }) => by === 'caller').map((rule) => ({ ...rule, name: `${route.method} ${route.path} caller` }))
  return limiter.on && rules.length > 0 ? counting(limiter, rules) : undefined
}

function counting(limiter: Limiter, rules: readonly { by: string; rate: Rate; name: string }[]): Step {
  return (next) => async (call) => {
    for (const { by, rate, name } of rules) {
      const subject = subjectOf(call, by)
      if (subject === undefined) continue
      const verdict = limiter.count(name, subject, rate)
      call.arrival?.limits.push({ name: by, limit: verdict.limit, remaining: verdict.remaining, resetSeconds: verdict.resetSeconds })
      if (!verdict.allowed) refuse(verdict, by === 'address' ? 'from this address' : `for this ${by}`)
    }
    return next(call)
  }
}

function subjectOf(call: Call, by: string): string | undefined {
  if (by === 'address') return call.arrival?.address
  if (by === 'caller') return call.caller === null ? undefined : String(call.caller['id'])
  const value = (call.input as Record<string, unknown> | null)?.[by]
  // An account is one account however its address is written.
  return typeof value === 'string' ? value.trim().toLowerCase().slice(0, 320) : undefined
}
