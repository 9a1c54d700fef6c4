/** Since when something has not been stored: when the log was seen to reach where, and how far it is stored. Times are of a monotonic clock, in milliseconds. */
export interface LagMarks {
  /** What lies before is stored, or is not waited for. What waited before the connection broke has waited since then. */
  begin(lsn: bigint): void
  reached(lsn: bigint, at: number): void
  stored(lsn: bigint): void
  /** When the oldest byte that is not stored was first seen; undefined: all is stored. */
  since(): number | undefined
  /** How many bytes wait. */
  bytes(): number
  /** What is stored ends there. */
  readonly upTo: bigint
}

const marksMax = 1_000

export function createLagMarks(): LagMarks {
  let [marks, end, done]: [{ lsn: bigint; at: number }[], bigint, bigint] = [[], 0n, 0n]
  return {
    begin(lsn) {
      const since = marks[0]?.at
      ;[marks, end, done] = [since === undefined ? [] : [{ lsn: lsn + 1n, at: since }], lsn, lsn]
    },
    reached(lsn, at) {
      if (lsn <= end) return
      end = lsn
      if (lsn > done) marks.push({ lsn, at })
      if (marks.length > marksMax) marks = marks.filter((_, index) => index % 2 === 0) // the first stays: what is told is not less
    },
    stored(lsn) {
      if (lsn > done) done = lsn
      marks = marks.filter((mark) => mark.lsn > done)
    },
    since: () => marks[0]?.at,
    bytes: () => Math.max(0, Number(end - done)),
    get upTo() { return done },
  }
}
