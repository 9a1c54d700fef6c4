import { write as writeFile, writeSync } from 'node:fs'
import type { Clock } from '../base/index.ts'

/**
 * Where log lines go: a file descriptor, written to in batches from outside the event loop. One write is under way at a time, and what
 * comes meanwhile goes with the next. A log must never take its process along: a reader that is gone or a disk that is full loses
 * lines, which are counted, and a slow one makes nobody wait.
 */
export interface Sink {
  write(line: string): void
  /** Writes what waits, as far as it can be written at once. */
  flush(): void
  /** Lines that were given up so far. */
  readonly lost: number
}

/** Characters that may wait; and that wait for more lines, for so many milliseconds, before they are written. */
const [waitingMax, batchMin, gatherMs] = [1024 ** 2, 16 * 1024, 20]
const againMs = 50
const [flushTriesMax, flushPauseMs] = [20, 10]

export function createSink(fd: number, clock: Pick<Clock, 'after'>): Sink {
  let waiting: string[] = []
  let length = 0
  let lost = 0
  let isWriting = false
  let cancel: (() => void) | undefined

  const take = (): Buffer => {
    const batch = Buffer.from(waiting.join(''))
    waiting = []
    length = 0
    return batch
  }
  const send = (batch: Buffer): void => {
    isWriting = true
    writeFile(fd, batch, 0, batch.length, null, (error, written) => {
      if (error?.code === 'EAGAIN') return void clock.after(againMs, () => send(batch))
      if (!error && written < batch.length) return send(batch.subarray(written))
      if (error) lost += linesOf(batch)
      isWriting = false
      if (length > 0) send(take())
    })
  }
  const start = () => {
    cancel?.()
    cancel = undefined
    if (!isWriting && length > 0) send(take())
  }
  return {
    get lost() { return lost },
    write(line) {
      if (length + line.length > waitingMax) { lost++; return }
      waiting.push(line)
      length += line.length
      if (isWriting) return
      if (length >= batchMin) start()
      else cancel ??= clock.after(gatherMs, start)
    },
    flush() {
      let rest = take()
      for (let tries = 0; rest.length > 0; ) {
        try {
          rest = rest.subarray(writeSync(fd, rest))
        } catch (error) {
          // A full pipe gets a moment; of anything else nobody is there to be told.
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || ++tries > flushTriesMax) { lost += linesOf(rest); return }
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, flushPauseMs)
        }
      }
    },
  }
}

function linesOf(batch: Buffer): number { return batch.toString().split('\n').length - 1 }
