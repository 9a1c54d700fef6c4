/** Where a cache keeps its entries. In process here; a shared driver answers the same questions over a network. */
export interface CacheDriver {
  get(key: string): Entry | undefined
  set(key: string, entry: Entry, liveMs: number): void
  delete(key: string): void
  clear(): void
  size(): number
}

export interface Entry {
  readonly value: unknown
  /** Milliseconds of the monotonic clock. */
  readonly freshUntil: number
  readonly staleUntil: number
}
