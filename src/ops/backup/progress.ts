import type { Clock } from '../../base/index.ts'
import type { ArchiveState } from './archiver.ts'
import { createLagMarks, type LagMarks } from './lag-marks.ts'

/** How a receiver gets on, over all its connections. */
export interface Progress {
  readonly marks: LagMarks
  /** Whether the server lets us read. */
  isReceiving: boolean
  /** Of a segment, as the server has it. */
  segmentBytes: number
  storedFiles: number
  /** What is amiss, of each kind; undefined: no longer. It is told once. */
  tell(kind: Kind, reason: string | undefined): void
  fault(kind: Kind): string | undefined
  state(): ArchiveState
}

type Kind = 'connection' | 'store' | 'closing'

export function createProgress(clock: Clock, onFault: (reason: string) => void): Progress {
  const marks = createLagMarks()
  const faults = new Map<Kind, string | undefined>()
  const progress: Progress = {
    marks, isReceiving: false, segmentBytes: 2 ** 24, storedFiles: 0,
    tell(kind, reason) {
      if (reason !== undefined && faults.get(kind) !== reason) onFault(reason)
      faults.set(kind, reason)
    },
    fault: (kind) => faults.get(kind),
    state() {
      const [since, fault] = [marks.since(), faults.get('connection') ?? faults.get('store') ?? faults.get('closing')]
      const isOurs = progress.isReceiving || fault !== undefined // else another process sees to it
      return { waiting: isOurs ? Math.floor(marks.bytes() / progress.segmentBytes) : 0, oldestMs: isOurs && since !== undefined ? clock.monotonic() - since : 0, storedFiles: progress.storedFiles, fault }
    },
  }
  return progress
}
