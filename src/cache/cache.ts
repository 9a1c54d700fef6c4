import type { CachePolicy, ProcedureDefinition } from '../app/index.ts'
import { canonicalJson, type Clock, isTenfoldError } from '../base/index.ts'
import type { Metrics } from '../observe/index.ts'
import type { CacheDriver } from './driver.ts'
import { createShelf } from './shelf.ts'
import { createTags, type Tags } from './tags.ts'

/**
 * Answers of queries that are already known (`shelf.ts` has the look-up). What an event makes wrong is dropped before the command that
 * stated it is answered.
 */
export interface Cache {
  /** The answer for that input: remembered, or loaded. Shared, so it is frozen. */
  get<T>(query: ProcedureDefinition, input: Readonly<Record<string, unknown>>, load: () => Promise<T>): Promise<T>
  /** Drops what that event makes wrong. */
  invalidate(event: string, payload: unknown): void
  clear(): void
}

/** One query's entries. */
interface Section { readonly policy: CachePolicy; readonly tags: Tags; readonly counts: { hit(): void; miss(): void }; readonly prefix: string }

export function createCache(queries: Iterable<ProcedureDefinition>, driver: CacheDriver, clock: Clock, metrics: Metrics): Cache {
  const shelf = createShelf({ driver, clock, isMissing: (error) => isTenfoldError(error, 'not-found') })
  const sections = new Map<string, Section>()
  const byEvent = new Map<string, { section: Section; fields: CachePolicy['invalidatedBy'][number]['fields'] }[]>()
  for (const query of queries) {
    const policy = query.query?.cache
    if (!policy) continue
    const count = (outcome: string) => metrics.counter('tenfold_cache_requests_total', 'Look-ups in the cache, by outcome', { query: query.name, outcome })
    const [hits, misses] = [count('hit'), count('miss')]
    const section: Section = { policy, tags: createTags(shelf.drop), counts: { hit: () => hits.add(), miss: () => misses.add() }, prefix: `${query.name}@${policy.schemaHash}` }
    sections.set(query.name, section)
    for (const { event, fields } of policy.invalidatedBy) byEvent.set(event, [...byEvent.get(event) ?? [], { section, fields }])
  }
  metrics.gauge('tenfold_cache_entries', 'Entries in the cache', {}, () => driver.size())

  return {
    get(query, input, load) {
      const { prefix, policy, tags, counts } = sections.get(query.name) as Section
      const key = `${prefix} ${canonicalJson(input)}`
      return shelf.get(key, policy, () => { tags.add(key, input); return load() }, counts)
    },
    invalidate(event, payload) {
      for (const { section, fields } of byEvent.get(event) ?? []) {
        for (const match of fields(payload)) for (const key of section.tags.matching(match)) shelf.drop(key)
      }
    },
    clear: shelf.clear,
  }
}
