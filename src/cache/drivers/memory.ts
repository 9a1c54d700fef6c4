import { LRUCache } from 'lru-cache'
import type { CacheDriver, CacheSection, Entry } from '../driver.ts'

/**
 * At most `entriesMax` entries of all sections together. Where one more would be too many, the least recently used of the largest section
 * leaves. When an entry is too old is the cache's to judge: it has the clock.
 */
export function memoryDriver(entriesMax: number): CacheDriver {
  const sections = new Map<string, LRUCache<string, Entry>>()
  const size = () => {
    let sum = 0
    for (const entries of sections.values()) sum += entries.size
    return sum
  }
  const makeRoom = () => {
    let largest: LRUCache<string, Entry> | undefined
    for (const entries of sections.values()) if (entries.size > (largest?.size ?? 0)) largest = entries
    largest?.pop()
  }
  const open = (name: string): LRUCache<string, Entry> => {
    const entries = new LRUCache<string, Entry>({ max: entriesMax })
    sections.set(name, entries)
    return entries
  }
  return {
    section(name): CacheSection {
      const entries = sections.get(name) ?? open(name)
      return {
        get: (key) => entries.get(key),
        set(key, entry) {
          if (!entries.has(key) && size() >= entriesMax) makeRoom()
          entries.set(key, entry)
        },
        delete: (key) => { entries.delete(key) },
        clear: () => entries.clear(),
      }
    },
    clear: () => { for (const entries of sections.values()) entries.clear() },
    size,
  }
}
