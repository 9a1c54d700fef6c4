/** A hit in the memory of each library, asked as its README asks: a value by its key, with the function that would load it. */
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { Cacheable } from 'cacheable'
import { LRUCache } from 'lru-cache'
import { contend, nanoseconds } from '../contender.ts'
import { known } from '../known.ts'
import type { Product } from '../place.ts'

type Get = (id: string, load: () => Promise<Product>) => Promise<unknown>

const libraries: Record<string, () => Get> = {
  /** The ceiling: what a careful hand writes in ten lines. */
  hand() {
    const kept = new LRUCache<string, Product>({ max: 20_000, ttl: 3_600_000 })
    const flights = new Map<string, Promise<Product>>()
    return async (id, load) => {
      const found = kept.get(id)
      if (found) return found
      const flight = flights.get(id) ?? load().then((value) => { kept.set(id, value); return value }).finally(() => flights.delete(id))
      flights.set(id, flight)
      return flight
    }
  },
  /** `serialize: false` is its manual's advice for memory alone: values are not copied. */
  bentocache() {
    const bento = new BentoCache({ default: 'memory', stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: 20_000, serialize: false })) } })
    return (id, load) => bento.getOrSet({ key: id, factory: load, ttl: '1h' })
  },
  cacheable() {
    const cache = new Cacheable({ ttl: '1h' })
    return (id, load) => cache.getOrSet(id, load)
  },
}

await contend(async (given) => {
  const make = libraries[given.options['library'] ?? '']
  if (!make) throw new Error(`There is no library ${given.options['library']}: it is one of ${Object.keys(libraries).join(', ')}.`)
  const get = make()
  const read = (index: number) => { const value = known[index] as Product; return get(value.id, async () => ({ ...value })) }
  for (const index of known.keys()) await read(index)
  return { measure: (_what, seconds) => nanoseconds(seconds, (round) => read(round % known.length)) }
})
