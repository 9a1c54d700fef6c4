import { isIPv6 } from 'node:net'
import type { RouteDefinition } from '../app/index.ts'
import type { Rate } from '../base/index.ts'
import type { Arrival, Call, Step } from '../calls/index.ts'
import { type Limiter, refuse } from './limiter.ts'

type Counts = Arrival['limits']
interface Rule { readonly by: string; readonly rate: Rate; /** What it is counted under. */ readonly name: string }

/**
 * The limit that every address has: asked for whatever arrives, before anything of it is read, so that what is malformed or meant for
 * no route counts too. Answers what to tell in the response. Errors: `rate-limited`.
 */
export function countAddress(limiter: Limiter, address: string, counts: Counts): void {
  if (limiter.on && limiter.perAddress) count(limiter, { by: 'address', rate: limiter.perAddress, name: 'address' }, networkOf(address), 'address', counts)
}

/** May it run now: the limits that the route names. What was counted is told in the response. */
export function limited(limiter: Limiter, route: RouteDefinition): Step | undefined {
  return counting(limiter, route, route.limit.filter(({ by }) => by !== 'caller'))
}

/** The same for limits on who calls, once that is known. */
export function limitedByCaller(limiter: Limiter, route: RouteDefinition): Step | undefined {
  return counting(limiter, route, route.limit.filter(({ by }) => by === 'caller'))
}

function counting(limiter: Limiter, { method, path }: RouteDefinition, limits: RouteDefinition['limit']): Step | undefined {
  if (!limiter.on || limits.length === 0) return undefined
  const rules: readonly Rule[] = limits.map(({ by, rate }) => ({ by, rate, name: `${method} ${path} ${by}` }))
  return (next) => async (call) => {
    if (!call.arrival?.unlimited) for (const rule of rules) {
      const subject = subjectOf(call, rule.by)
      if (subject !== undefined) count(limiter, rule, subject, `route-${rule.by}`, call.arrival?.limits ?? [])
    }
    return next(call)
  }
}

/** `told` names the policy in the response: each its own, since the fields pair them by name. */
function count(limiter: Limiter, { by, rate, name }: Rule, subject: string, told: string, counts: Counts): void {
  const verdict = limiter.count(name, subject, rate)
  const { limit, windowSeconds, remaining, resetSeconds } = verdict
  counts.push({ name: told, limit, windowSeconds, remaining, resetSeconds })
  if (!verdict.allowed) refuse(verdict, by === 'address' ? 'from this address' : `for this ${by}`)
}

function subjectOf(call: Call, by: string): string | undefined {
  if (by === 'address') return call.arrival && networkOf(call.arrival.address)
  if (by === 'caller') return call.caller === null ? undefined : String(call.caller['id'])
  const value = ((call.input ?? call.arrival?.sent()) as Record<string, unknown> | null | undefined)?.[by]
  // An account is one account however its name is written; nobody's name is longer.
  return typeof value === 'string' ? value.slice(0, 1_000).toLowerCase().normalize('NFKC').replaceAll(/\s+/g, ' ').trim() : undefined
}

/** An IPv4 address as it is, also inside an IPv6 one; of an IPv6 address the /64, since every subscriber has that many addresses. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped) return mapped[1] as string
  const [before = '', after] = (address.split('%')[0] as string).toLowerCase().split('::')
  const groups = before === '' ? [] : before.split(':')
  const behind = after === undefined || after === '' ? [] : after.split(':')
  const missing = after === undefined ? 0 : 8 - groups.length - behind.length
  return `${[...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...behind].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
