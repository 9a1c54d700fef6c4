import type { CachePolicy, ProcedureDefinition } from '../app/index.ts'
import { canonicalJson, type Clock, isTenfoldError } from '../base/index.ts'
import type { Metrics } from '../observe/index.ts'
import type { CacheDriver } from './driver.ts'
import { createShelf, type Shelf } from './shelf.ts'
import { createTags, type Tags } from './tags.ts'

/**
 * Answers of queries that are already known (`shelf.ts` has the look-up). What an event makes wrong is dropped before the command that
 * stated it is answered.
 */
export interface Cache {
  /** The answer for that input: remembered, or loaded. Shared, so it is frozen. */
  get<T>(query: ProcedureDefinition, input: Readonly<Record<string, unknown>>, load: () => Promise<T>): T | Promise<T>
  /** Drops what that event makes wrong. */
  invalidate(event: string, payload: unknown): void
  clear(): void
}

/** One query's entries. */
interface Section { readonly shelf: Shelf; readonly tags: Tags; keyOf(input: Readonly<Record<string, unknown>>): string }

export function createCache(queries: Iterable<ProcedureDefinition>, driver: CacheDriver, clock: Clock, metrics: Metrics): Cache {
  const sections = new Map<ProcedureDefinition, Section>()
  const byEvent = new Map<string, { section: Section; fields: CachePolicy['invalidatedBy'][number]['fields'] }[]>()
  for (const query of queries) {
    const policy = query.query?.cache
    if (!policy) continue
    const count = (outcome: string) => metrics.counter('tenfold_cache_requests_total', 'Look-ups in the cache, by outcome', { query: query.name, outcome })
    const [hits, misses] = [count('hit'), count('miss')]
    const shelf = createShelf({
      section: driver.section(`${query.name}@${policy.schemaHash}`), freshness: policy, clock, counts: { hit: () => hits.add(), miss: () => misses.add() }, isMissing: (error) => isTenfoldError(error, 'not-found'),
    })
    const section: Section = { shelf, tags: createTags(shelf.drop), keyOf: keyOf(query) }
    sections.set(query, section)
    for (const { event, fields } of policy.invalidatedBy) byEvent.set(event, [...byEvent.get(event) ?? [], { section, fields }])
  }
  metrics.gauge('tenfold_cache_entries', 'Entries in the cache', {}, () => driver.size())

  return {
    get(query, input, load) {
      const { shelf, tags, keyOf: key } = sections.get(query) as Section
      const name = key(input)
      return shelf.get(name, () => { tags.add(name, input); return load() })
    },
    invalidate(event, payload) {
      for (const { section, fields } of byEvent.get(event) ?? []) {
        for (const match of fields(payload)) for (const key of section.tags.matching(match)) section.shelf.drop(key)
      }
    },
    clear() { for (const { shelf } of sections.values()) shelf.clear() },
  }
}

/** Equal inputs have equal keys. An input of one text is its own: a hot look-up then makes no text at all. */
function keyOf({ input }: ProcedureDefinition): (input: Readonly<Record<string, unknown>>) => string {
  const [field, ...others] = Object.keys(input.properties ?? {})
  if (field === undefined || others.length > 0 || input.properties?.[field]?.type !== 'string') return canonicalJson
  // No text of an input holds U+0000: what is none cannot be taken for one.
  return (given) => { const value = given[field]; return typeof value === 'string' ? value : `\u0000${canonicalJson(given)}` }
}
