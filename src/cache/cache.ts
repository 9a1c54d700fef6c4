import type { CachePolicy, ProcedureDefinition } from '../app/index.ts'
import { canonicalJson, type Clock, deepFreeze, isTenfoldError } from '../base/index.ts'
import type { Counter, Metrics } from '../observe/index.ts'
import type { CacheDriver, Entry } from './driver.ts'
import { createTags, type Tags } from './tags.ts'

/**
 * Answers that are already known. One load for all who ask at once; what an event makes wrong is dropped before the command that
 * stated it is answered; a load that was under way then is handed to those who waited, and kept by nobody.
 */
export interface Cache {
  /** The answer for that input: remembered, or loaded. Shared, so it is frozen. */
  get<T>(query: ProcedureDefinition, input: Readonly<Record<string, unknown>>, load: () => Promise<T>): Promise<T>
  /** Drops what that event makes wrong. */
  invalidate(event: string, payload: unknown): void
  clear(): void
}

/** A load on its way. `doomed` once an event said that what it read may be old. */
interface Flight { readonly answer: Promise<unknown>; doomed: boolean }
interface Shelf { readonly policy: CachePolicy; readonly name: string; readonly tags: Tags; readonly hits: Counter; readonly misses: Counter; readonly prefix: string }
class Missing { readonly error: unknown; constructor(error: unknown) { this.error = error } }

export function createCache(queries: Iterable<ProcedureDefinition>, driver: CacheDriver, clock: Clock, metrics: Metrics): Cache {
  const shelves = new Map<string, Shelf>()
  const byEvent = new Map<string, { shelf: Shelf; fields: CachePolicy['invalidatedBy'][number]['fields'] }[]>()
  const flights = new Map<string, Flight>()
  const drop = (key: string) => {
    driver.delete(key)
    const flight = flights.get(key)
    if (flight) { flight.doomed = true; flights.delete(key) }
  }
  for (const query of queries) {
    const policy = query.query?.cache
    if (!policy) continue
    const count = (outcome: string) => metrics.counter('tenfold_cache_requests_total', 'Look-ups in the cache, by outcome', { query: query.name, outcome })
    const shelf: Shelf = { policy, name: query.name, tags: createTags((key) => drop(key)), hits: count('hit'), misses: count('miss'), prefix: `${query.name}@${policy.schemaHash}` }
    shelves.set(query.name, shelf)
    for (const { event, fields } of policy.invalidatedBy) byEvent.set(event, [...byEvent.get(event) ?? [], { shelf, fields }])
  }
  metrics.gauge('tenfold_cache_entries', 'Entries in the cache', {}, () => driver.size())

  const fly = (shelf: Shelf, key: string, input: Readonly<Record<string, unknown>>, load: () => Promise<unknown>): Flight => {
    shelf.tags.add(key, input)
    const answer = load().then(deepFreeze, (error: unknown) => {
      if (shelf.policy.negativeMs > 0 && isTenfoldError(error, 'not-found')) return new Missing(error)
      throw error
    }).then((value) => {
      if (!flight.doomed) {
        const now = clock.monotonic()
        const freshMs = value instanceof Missing ? shelf.policy.negativeMs : shelf.policy.ttlMs
        const liveMs = freshMs + (value instanceof Missing ? 0 : shelf.policy.staleForMs)
        driver.set(key, { value, freshUntil: now + freshMs, staleUntil: now + liveMs }, liveMs)
      }
      return value
    }).finally(() => { if (flights.get(key) === flight) flights.delete(key) })
    const flight: Flight = { answer, doomed: false }
    flights.set(key, flight)
    return flight
  }
  const open = (value: unknown) => { if (value instanceof Missing) throw value.error; return value }

  return {
    async get<T>(query: ProcedureDefinition, input: Readonly<Record<string, unknown>>, load: () => Promise<T>): Promise<T> {
      const shelf = shelves.get(query.name) as Shelf
      const key = `${shelf.prefix} ${canonicalJson(input)}`
      const entry: Entry | undefined = driver.get(key)
      const now = clock.monotonic()
      if (entry && now < entry.freshUntil) { shelf.hits.add(); return open(entry.value) as T }
      const flight = flights.get(key) ?? fly(shelf, key, input, load)
      if (entry && now < entry.staleUntil) {
        shelf.hits.add()
        flight.answer.catch(() => { /* the old value serves until it is too old; then the failure is the caller's to see */ })
        return open(entry.value) as T
      }
      shelf.misses.add()
      return open(await flight.answer) as T
    },
    invalidate(event, payload) {
      for (const { shelf, fields } of byEvent.get(event) ?? []) {
        for (const match of fields(payload)) for (const key of shelf.tags.matching(match)) drop(key)
      }
    },
    clear() {
      driver.clear()
      for (const flight of flights.values()) flight.doomed = true
      flights.clear()
    },
  }
}
