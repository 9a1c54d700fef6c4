import { seal, unseal } from './sealing.ts'

/**
 * How far a caller has seen each database: a position is (database, timeline, LSN). A caller carries at most eight, signed, each
 * for ten minutes: no replica further behind than that is ever in rotation, so an older one says nothing.
 */
export interface Position {
  readonly database: string
  readonly timeline: number
  /** Byte offset in the write-ahead log. */
  readonly lsn: bigint
  /** Milliseconds since the epoch: when it was taken. */
  readonly at: number
}

export const positionsMax = 8
export const positionLifeMs = 10 * 60_000

/** What one caller has seen; it only ever grows. `primaryUntil` says that a ninth database came: until then read primaries. */
export class Positions {
  /** Made with the first: where no database has a replica there is never one. */
  #known: Map<string, Position> | undefined = undefined
  /** Another has the same map: it is copied before anything is added. */
  #isShared = false
  primaryUntil = 0
  /** Whether anything was added since it was read from the caller's token. */
  advanced = false

  at(database: string): Position | undefined { return this.#known?.get(database) }

  advance(position: Position): void {
    const known = this.#known?.get(position.database)
    if (known && (known.timeline > position.timeline || (known.timeline === position.timeline && known.lsn >= position.lsn))) return
    const all = this.#own()
    if (!known && all.size >= positionsMax) {
      this.primaryUntil = Math.max(this.primaryUntil, position.at + positionLifeMs)
    } else all.set(position.database, position)
    this.advanced = true
  }

  #own(): Map<string, Position> {
    if (this.#isShared) {
      this.#known = new Map(this.#known)
      this.#isShared = false
    }
    return this.#known ??= new Map()
  }

  /** The same to go on from, with nothing new yet. */
  copy(): Positions {
    const copy = new Positions()
    copy.#known = this.#known
    copy.#isShared = this.#isShared = this.#known !== undefined
    copy.primaryUntil = this.primaryUntil
    return copy
  }

  /** For as long as any replica may be behind. */
  readPrimaries(nowMs: number): void {
    this.primaryUntil = Math.max(this.primaryUntil, nowMs + positionLifeMs)
    this.advanced = true
  }

  merge(other: Positions): void {
    if (other.#known) for (const position of other.#known.values()) this.advance(position)
    this.primaryUntil = Math.max(this.primaryUntil, other.primaryUntil)
  }

  /** What a token of it says: what is still young enough to matter. Who has seen the same within a second says the same. */
  text(nowMs: number): string {
    const rows = [...this.#known?.values() ?? []].filter((position) => position.at + positionLifeMs > nowMs)
      .map((position) => [position.database, position.timeline, position.lsn.toString(16), Math.ceil(position.at / 1_000) * 1_000])
    return JSON.stringify([this.primaryUntil, rows])
  }

  /** The signed token that a caller carries. */
  seal(key: Uint8Array, nowMs: number): string { return seal(key, this.text(nowMs)) }

  /** What a token says; one that is forged, torn or too old says nothing. */
  static unseal(key: Uint8Array, token: string, nowMs: number): Positions {
    const positions = new Positions()
    const text = token.length <= 4096 ? unseal(key, token) : undefined
    if (text === undefined) return positions
    const [primaryUntil, rows] = JSON.parse(text) as [number, [string, number, string, number][]]
    positions.primaryUntil = primaryUntil
    for (const [database, timeline, lsn, at] of rows) {
      if (at + positionLifeMs > nowMs) positions.advance({ database, timeline, lsn: BigInt(`0x${lsn}`), at })
    }
    positions.advanced = false
    return positions
  }
}

/** As Postgres writes an LSN: two hexadecimal halves, `16/B374D848`. */
export function lsnText(lsn: bigint): string { return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}` }

/** The same as a byte offset. */
export function parseLsn(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}
