import { parseLsn } from '../../base/index.ts'

/**
 * Names of Postgres' log files: a segment is `TTTTTTTTXXXXXXXXYYYYYYYY`, eight hexadecimal digits each of timeline and of the two halves of its number; `TTTTTTTT.history` tells from which
 * timeline that one branched off, and where. (PostgreSQL documentation, "WAL Internals", "Timelines".)
 */
const archived = /^[0-9A-F]{8}\.history$|^[0-9A-F]{24}(\.partial|\.[0-9A-F]{8}\.backup)?$/
const segment = /^[0-9A-F]{24}$/

export function isArchivable(name: string): boolean { return archived.test(name) }
export function isSegment(name: string): boolean { return segment.test(name) }

/** Where it stands in the store: apart by the database's system identifier, so that a new database never meets an old one's files. */
export function walKey(system: string, name: string): string { return `wal/${system}/${name.slice(0, 8)}/${name}.zst` }
export function walNameOf(key: string): string { return key.slice(key.lastIndexOf('/') + 1).replace(/\.zst$/, '') }

const hex8 = (value: number) => value.toString(16).toUpperCase().padStart(8, '0')

export function timelineOf(name: string): number { return Number.parseInt(name.slice(0, 8), 16) }

/** The segment's number, the same on every timeline. */
export function numberOf(name: string, segmentBytes: number): number {
  return Number.parseInt(name.slice(8, 16), 16) * (2 ** 32 / segmentBytes) + Number.parseInt(name.slice(16, 24), 16)
}

export function segmentName(timeline: number, number: number, segmentBytes: number): string {
  const perHalf = 2 ** 32 / segmentBytes
  return `${hex8(timeline)}${hex8(Math.floor(number / perHalf))}${hex8(number % perHalf)}`
}

export function historyName(timeline: number): string { return `${hex8(timeline)}.history` }

export function segmentOf(timeline: number, lsn: string, segmentBytes: number): string {
  return segmentName(timeline, Number(parseLsn(lsn) / BigInt(segmentBytes)), segmentBytes)
}

/** The timelines that led to one, oldest first, each with the LSN at which it was left. */
export interface Ancestor { readonly timeline: number; readonly leftAt: string }

export function readHistory(text: string): Ancestor[] {
  return text.split('\n').flatMap((line) => {
    const [, timeline, leftAt] = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line) ?? []
    return timeline && leftAt ? [{ timeline: Number(timeline), leftAt }] : []
  })
}

export function isBefore(lsn: string, other: string): boolean { return parseLsn(lsn) < parseLsn(other) }
