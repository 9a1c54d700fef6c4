export { type Cache, createCache } from './cache.ts'
export type { CacheDriver, Entry } from './driver.ts'
export { memoryDriver } from './drivers/memory.ts'
export { known } from './known.ts'
