import { LRUCache } from 'lru-cache'
import type { CacheDriver, Entry } from '../driver.ts'

/** At most `entriesMax` entries, the least recently used leaving first. When an entry is too old is the cache's to judge: it has the clock. */
export function memoryDriver(entriesMax: number): CacheDriver {
  const entries = new LRUCache<string, Entry>({ max: entriesMax })
  return {
    get: (key) => entries.get(key),
    set: (key, entry) => { entries.set(key, entry) },
    delete: (key) => { entries.delete(key) },
    clear: () => entries.clear(),
    size: () => entries.size,
  }
}
