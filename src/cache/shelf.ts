import { type Clock, deepFreeze } from '../base/index.ts'
import type { CacheSection } from './driver.ts'

/** How long answers are good, in milliseconds. */
export interface Freshness {
  readonly ttlMs: number
  /** After that, how long the old one is still given while a new one is loaded. */
  readonly staleForMs: number
  /** How long "there is none" is remembered; 0: not at all. */
  readonly negativeMs: number
}

/** A load on its way. `doomed` once it is known that what it read may be old: it is handed to those who waited, and kept by nobody. */
interface Flight { readonly answer: Promise<unknown>; doomed: boolean }
class Missing { readonly error: unknown; constructor(error: unknown) { this.error = error } }

export interface ShelfOptions {
  readonly section: CacheSection
  readonly freshness: Freshness
  readonly counts?: { hit(): void; miss(): void }
  readonly clock: Pick<Clock, 'monotonic'>
  /** Which errors of a load say that there is no such thing. */
  readonly isMissing?: (error: unknown) => boolean
}

/** The look-up of one query's, or one function's, entries: remembered, or loaded, once for all who ask at once. Answers are shared, so they are frozen. */
export interface Shelf {
  /** What is remembered is answered as it is; what has to be loaded, or fails, as a promise. */
  get<T>(key: string, load: () => Promise<T>): T | Promise<T>
  drop(key: string): void
  clear(): void
}

export function createShelf({ section, freshness: { ttlMs, staleForMs, negativeMs }, clock, counts, isMissing = () => false }: ShelfOptions): Shelf {
  const flights = new Map<string, Flight>()
  const fly = (key: string, load: () => Promise<unknown>): Flight => {
    const keep = (value: unknown) => {
      if (flight.doomed) return value
      const now = clock.monotonic()
      const isNone = value instanceof Missing
      const freshMs = isNone ? negativeMs : ttlMs
      const liveMs = freshMs + (isNone ? 0 : staleForMs)
      section.set(key, { value, freshUntil: now + freshMs, staleUntil: now + liveMs }, liveMs)
      return value
    }
    const answer = load().then(deepFreeze, (error: unknown) => {
      if (negativeMs > 0 && isMissing(error)) return new Missing(error)
      throw error
    }).then(keep).finally(() => { if (flights.get(key) === flight) flights.delete(key) })
    const flight: Flight = { answer, doomed: false }
    flights.set(key, flight)
    return flight
  }
  // Rejects, and throws nothing: whoever asks has a promise to catch from, remembered or not.
  const open = (value: unknown) => value instanceof Missing ? Promise.reject(value.error) : value

  return {
    get<T>(key: string, load: () => Promise<T>): T | Promise<T> {
      const entry = section.get(key)
      const now = entry ? clock.monotonic() : 0
      if (entry && now < entry.freshUntil) { counts?.hit(); return open(entry.value) as T }
      const flight = flights.get(key) ?? fly(key, load)
      if (entry && now < entry.staleUntil) {
        counts?.hit()
        flight.answer.catch(() => { /* the old value serves until it is too old; then the failure is the caller's to see */ })
        return open(entry.value) as T
      }
      counts?.miss()
      return flight.answer.then(open) as Promise<T>
    },
    drop(key) {
      section.delete(key)
      const flight = flights.get(key)
      if (flight) { flight.doomed = true; flights.delete(key) }
    },
    clear() {
      section.clear()
      for (const flight of flights.values()) flight.doomed = true
      flights.clear()
    },
  }
}
