import type { Position } from '../base/index.ts'
import type { LeftTimeline } from './standing.ts'

/**
 * Each promotion of a standby begins a timeline, at the point up to which it had replayed the one before. What an older primary wrote
 * behind that point is lost; what it wrote before it counts on the new timeline as it did on the old (PostgreSQL documentation, "Timelines").
 */
export interface Timelines {
  learn(left: readonly LeftTimeline[]): void
  /** Whether who has replayed `replayed` has all that `wanted` stands for; `lost`: nobody ever will. */
  reaches(replayed: Position, wanted: Position): 'yes' | 'no' | 'lost'
}

export function createTimelines(): Timelines {
  const leftAt = new Map<number, bigint>()
  return {
    learn(left) { for (const one of left) leftAt.set(one.timeline, one.leftAt) },
    reaches(replayed, wanted) {
      const isThere = replayed.lsn >= wanted.lsn
      if (replayed.timeline === wanted.timeline) return isThere ? 'yes' : 'no'
      const end = leftAt.get(wanted.timeline)
      if (end === undefined || replayed.timeline < wanted.timeline) return 'no' // who cannot be sure reads the primary
      if (wanted.lsn > end) return 'lost'
      return isThere ? 'yes' : 'no'
    },
  }
}
