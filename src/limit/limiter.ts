import { type Clock, failed, type Rate, rate } from '../base/index.ts'
import { LRUCache } from 'lru-cache'

/** What a limit says after it counted one more. */
export interface Verdict { readonly allowed: boolean; readonly limit: number; readonly remaining: number; /** Until it is whole again, or, when refused, until one more is allowed. */ readonly resetSeconds: number }

export interface Limiter {
  /** Counts one for that subject under that rule, and says whether it may go on. */
  count(rule: string, subject: string, rate: Rate): Verdict
  /** The limit that every address has; undefined when it is off. */
  readonly perAddress: Rate | undefined
  readonly on: boolean
}

/** Subjects remembered at most: one that was forgotten starts anew, so a flood of addresses costs memory nothing. */
const subjectsMax = 100_000

/**
 * GCRA, the leaky bucket as a meter (ITU-T I.371): one number for each subject, the time at which its bucket is empty again. Allows
 * `count` at once and then one each `perMs / count`.
 */
export function createLimiter(clock: Clock, options: { perAddress: Rate | undefined; on: boolean }): Limiter {
  const emptyAt = new LRUCache<string, number>({ max: subjectsMax })
  return {
    ...options,
    count(rule, subject, text) {
      const { count, perMs } = parse(text)
      const key = `${rule} ${subject}`
      const now = clock.monotonic()
      const interval = perMs / count
      const next = Math.max(emptyAt.get(key) ?? 0, now) + interval
      const allowed = next - now <= perMs
      if (allowed) emptyAt.set(key, next)
      const used = allowed ? next : next - interval
      return {
        allowed, limit: count, remaining: Math.max(0, Math.floor((perMs - (used - now)) / interval)),
        resetSeconds: Math.max(1, Math.ceil((allowed ? used - now : next - now - perMs) / 1000)),
      }
    },
  }
}

const parsed = new Map<Rate, { count: number; perMs: number }>()
function parse(text: Rate): { count: number; perMs: number } {
  let found = parsed.get(text)
  if (!found) parsed.set(text, found = rate(text))
  return found
}

export function refuse(verdict: Verdict, what: string): never {
  throw failed('rate-limited', `Too many requests ${what}: at most ${verdict.limit} in its window; try again in ${verdict.resetSeconds} s.`, { retryAfterMs: verdict.resetSeconds * 1000 })
}
