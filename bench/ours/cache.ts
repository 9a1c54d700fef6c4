import { definitionOf } from '../../src/app/index.ts'
import { systemClock } from '../../src/base/index.ts'
import { createCache, memoryDriver } from '../../src/cache/index.ts'
import { createMetrics } from '../../src/observe/index.ts'
import { knownById } from '../app/app.ts'
import { contend, nanoseconds } from '../contender.ts'
import { known } from '../known.ts'

await contend(async () => {
  const query = definitionOf(knownById)
  const cache = createCache([query], memoryDriver(20_000), systemClock, createMetrics())
  const load = (index: number) => cache.get(query, { id: known[index]?.id }, async () => ({ ...known[index] }))
  for (const index of known.keys()) await load(index)
  return { measure: (_what, seconds) => nanoseconds(seconds, (round) => load(round % known.length)) }
})
