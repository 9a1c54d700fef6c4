/** Where a cache keeps its entries, each query's or function's in a section of its own. In process here; a shared driver answers the same questions over a network. */
export interface CacheDriver {
  /** The section of that name, the same one each time. */
  section(name: string): CacheSection
  clear(): void
  /** Entries of all sections. */
  size(): number
}

export interface CacheSection {
  get(key: string): Entry | undefined
  set(key: string, entry: Entry, liveMs: number): void
  delete(key: string): void
  clear(): void
}

export interface Entry {
  readonly value: unknown
  /** Milliseconds of the monotonic clock. */
  readonly freshUntil: number
  readonly staleUntil: number
}
