/**
 * `tenfold/cache`: the cache tier alone, inside a service that is otherwise somebody else's. It starts nothing, and loads nothing of the
 * other tiers.
 */
import { canonicalJson } from '../base/json.ts'
import { systemClock } from '../base/clock.ts'
import { failed } from '../base/errors.ts'
import { type Duration, milliseconds } from '../base/units.ts'
import { memoryDriver } from './drivers/memory.ts'
import { createShelf, type Freshness, type Shelf } from './shelf.ts'

export interface StandaloneCacheOptions {
  /** Entries at most, of all functions together; the least recently used leave first. 10,000 unless told. */
  readonly entries?: number
}

export interface AroundOptions {
  readonly ttl: Duration
  /** How long after `ttl` the old answer is still given while a new one is loaded. */
  readonly staleFor?: Duration
}

/** The function, remembered. Its answers are shared between callers, so they are frozen. */
export interface Remembered<Args extends readonly unknown[], Out> {
  (...args: Args): Promise<Out>
  /** What it answered to these arguments is wrong from now on; a load under way is kept by nobody. */
  drop(...args: Args): void
  dropAll(): void
}

export interface StandaloneCache {
  /**
   * Remembers what an asynchronous function answers, by its arguments as JSON: one load for all who ask at once. `name` tells one
   * function's entries from another's. Errors: the function's own, which are not remembered; `definition` for a name that is taken.
   */
  around<Args extends readonly unknown[], Out>(name: string, options: AroundOptions, load: (...args: Args) => Promise<Out>): Remembered<Args, Out>
  /** Entries now. */
  size(): number
  clear(): void
}

export function createCache({ entries = 10_000 }: StandaloneCacheOptions = {}): StandaloneCache {
  const driver = memoryDriver(entries)
  const shelves = new Map<string, Shelf>()
  return {
    around<Args extends readonly unknown[], Out>(name: string, { ttl, staleFor }: AroundOptions, load: (...args: Args) => Promise<Out>) {
      if (shelves.has(name)) throw failed('definition', `Two cached functions are named ${JSON.stringify(name)}: one would be given the other's answers. Give one of them another name.`)
      const freshness: Freshness = { ttlMs: milliseconds(ttl, `${name}'s ttl`), staleForMs: staleFor ? milliseconds(staleFor, `${name}'s staleFor`) : 0, negativeMs: 0 }
      const shelf = createShelf({ section: driver.section(name), freshness, clock: systemClock })
      shelves.set(name, shelf)
      // One text is its own key; a NUL keeps all else apart from it.
      const keyOf = (args: readonly unknown[]) => args.length === 1 && typeof args[0] === 'string' && !args[0].startsWith('\u0000') ? args[0] : `\u0000${canonicalJson(args)}`
      const remembered = async (...args: Args): Promise<Out> => shelf.get(keyOf(args), () => load(...args))
      return Object.assign(remembered, { drop: (...args: Args) => shelf.drop(keyOf(args)), dropAll: shelf.clear })
    },
    size: driver.size,
    clear() { for (const shelf of shelves.values()) shelf.clear() },
  }
}
