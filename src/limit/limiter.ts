import { LRUCache } from 'lru-cache'
import { type Clock, failed, type Rate, rate } from '../base/index.ts'

/** What a limit says after it counted one more. */
export interface Verdict {
  readonly allowed: boolean
  readonly limit: number
  readonly windowSeconds: number
  readonly remaining: number
  /** Until something of it is given back; a refused one is allowed again then. */
  readonly resetSeconds: number
}

export interface Limiter {
  /** Counts one for that subject under that rule, and says whether it may go on. What is refused is not counted. */
  count(rule: string, subject: string, rate: Rate): Verdict
  /** The limit that every address has; undefined when it is off. */
  readonly perAddress: Rate | undefined
  readonly on: boolean
}

/** Subjects remembered at most, of each rule: one that was forgotten starts anew, so a flood of addresses costs memory nothing. */
const subjectsMax = 100_000
/** A window is remembered in so many marks at most. Up to this many requests each has its own; of more, those close together share one. */
const marksMax = 20

/** What was counted, oldest first: how many, and since when. */
interface Counted { readonly marks: { readonly at: number; count: number }[]; total: number }

/**
 * A sliding window: at most `count` in any `perMs`, wherever it begins, where a fixed window lets twice as many through around its
 * edge, and a leaky bucket while it drains. Each mark is forgotten `perMs` after its first request.
 */
export function createLimiter(clock: Clock, options: { perAddress: Rate | undefined; on: boolean }): Limiter {
  const rules = new Map<string, { readonly text: Rate; readonly count: number; readonly perMs: number; readonly subjects: LRUCache<string, Counted> }>()
  return {
    ...options,
    count(rule, subject, text) {
      let known = rules.get(rule)
      if (known?.text !== text) rules.set(rule, known = { text, ...rate(text), subjects: new LRUCache({ max: subjectsMax }) })
      const { count, perMs, subjects } = known
      // Whole milliseconds: a fraction more than a minute would be told as 61 seconds.
      const now = Math.floor(clock.monotonic())
      let counted = subjects.get(subject)
      if (!counted) subjects.set(subject, counted = { marks: [], total: 0 })
      forget(counted, now - perMs)
      const allowed = counted.total < count
      if (allowed) mark(counted, now, count > marksMax ? perMs / marksMax : 0)
      const oldest = counted.marks[0]?.at ?? now
      return { allowed, limit: count, windowSeconds: perMs / 1000, remaining: count - counted.total, resetSeconds: Math.max(1, Math.ceil((oldest + perMs - now) / 1000)) }
    },
  }
}

function forget(counted: Counted, until: number): void {
  for (let oldest = counted.marks[0]; oldest && oldest.at <= until; oldest = counted.marks[0]) {
    counted.total -= oldest.count
    counted.marks.shift()
  }
}

function mark(counted: Counted, now: number, grainMs: number): void {
  const newest = counted.marks.at(-1)
  if (newest && now - newest.at < grainMs) newest.count++
  else counted.marks.push({ at: now, count: 1 })
  counted.total++
}

export function refuse(verdict: Verdict, what: string): never {
  throw failed('rate-limited', `Too many requests ${what}: at most ${verdict.limit} in ${verdict.windowSeconds} s; try again in ${verdict.resetSeconds} s.`, { retryAfterMs: verdict.resetSeconds * 1000 })
}
