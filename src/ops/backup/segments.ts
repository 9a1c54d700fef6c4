import { segmentName } from './wal.ts'

/** A whole segment of the log. */
export interface Segment {
  readonly name: string
  /** The first byte behind it. */
  readonly end: bigint
  readonly content: Buffer
}

/** Makes whole segments of what comes in pieces, from the beginning of one on. */
export interface Assembler {
  /** The segments that became whole by it. */
  add(bytes: Buffer): Segment[]
}

export function createAssembler({ timeline, lsn, segmentBytes }: { timeline: number; /** Where a segment begins. */ lsn: bigint; segmentBytes: number }): Assembler {
  let number = Number(lsn / BigInt(segmentBytes))
  let [content, filled]: [Buffer | undefined, number] = [undefined, 0]
  return {
    add(bytes) {
      const whole: Segment[] = []
      for (let from = 0; from < bytes.length;) {
        if (!content) [content, filled] = [Buffer.allocUnsafe(segmentBytes), 0]
        const copied = bytes.copy(content, filled, from)
        filled += copied
        from += copied
        if (filled < segmentBytes) continue
        whole.push({ name: segmentName(timeline, number, segmentBytes), end: BigInt(number + 1) * BigInt(segmentBytes), content })
        content = undefined
        number += 1
      }
      return whole
    },
  }
}
