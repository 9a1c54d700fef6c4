import { parseLsn } from '../../base/index.ts'
import type { StoredLog } from './log.ts'
import { type Ancestor, isSegment, numberOf, timelineOf } from './wal.ts'

/** A place in the log where a segment begins. */
export interface SegmentStart { readonly timeline: number; readonly lsn: bigint }

/** The way to a server's timeline: those that it came from, oldest first, and itself. */
export interface Way { readonly ancestors: readonly Ancestor[]; readonly timeline: number }

export function segmentStart(lsn: bigint, segmentBytes: number): bigint { return lsn - lsn % BigInt(segmentBytes) }

/** The first byte behind what the store has of that way; undefined when it has nothing of it. What an older primary wrote behind the place where its timeline was left does not count. */
export function storedUpTo(log: StoredLog, { ancestors, timeline }: Way, segmentBytes: number): bigint | undefined {
  const leftAt = new Map(ancestors.map((one) => [one.timeline, parseLsn(one.leftAt)]))
  const ends = [...log.names].filter(isSegment).flatMap((name) => {
    const end = BigInt(numberOf(name, segmentBytes) + 1) * BigInt(segmentBytes)
    const left = leftAt.get(timelineOf(name))
    return timelineOf(name) === timeline || (left !== undefined && end <= left) ? [end] : []
  })
  return ends.reduce<bigint | undefined>((most, end) => (most === undefined || end > most ? end : most), undefined)
}

/** On which timeline the log is read from there on. */
export function timelineAt({ ancestors, timeline }: Way, lsn: bigint): number { return ancestors.find(({ leftAt }) => parseLsn(leftAt) > lsn)?.timeline ?? timeline }
