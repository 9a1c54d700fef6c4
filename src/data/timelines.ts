import type { Position } from '../base/index.ts'
import type { LeftTimeline } from './standing.ts'

/**
 * Each promotion of a standby begins a timeline, at the point up to which it had replayed the one before. What an older primary wrote
 * behind that point is lost; what it wrote before it counts on the new timeline as it did on the old (PostgreSQL documentation, "Timelines").
 */
export interface Timelines {
  learn(left: readonly LeftTimeline[]): void
  /** Whether who has replayed `replayed` has all that `wanted` stands for. Who cannot be sure has not. */
  reaches(replayed: Position, wanted: Position): boolean
  /** Whether nobody has it any more: what an older primary wrote behind the end of what counts. */
  isLost(wanted: Position): boolean
}

export function createTimelines(): Timelines {
  const leftAt = new Map<number, bigint>()
  const isLost = ({ timeline, lsn }: Position) => lsn > (leftAt.get(timeline) ?? lsn)
  return {
    isLost,
    learn(left) { for (const one of left) leftAt.set(one.timeline, one.leftAt) },
    reaches(replayed, wanted) {
      const isSameOrLater = replayed.timeline === wanted.timeline || (replayed.timeline > wanted.timeline && leftAt.has(wanted.timeline) && !isLost(wanted))
      return isSameOrLater && replayed.lsn >= wanted.lsn
    },
  }
}
