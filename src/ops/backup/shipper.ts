import { backoffMs, type Clock, type Random, reasonOf } from '../../base/index.ts'
import { storeLogFile } from './archiver.ts'
import type { Segment } from './segments.ts'
import type { BackupStore } from './store.ts'

/** Takes segments to the store, one after the other, and tries each until the store has it. */
export interface Shipper {
  push(segment: Segment): void
  /** How many are not stored yet. */
  waiting(): number
  /** Ends behind the one that is under way; the others are given up. */
  close(): Promise<void>
}

export interface ShipperOptions {
  readonly store: BackupStore
  readonly system: string
  readonly clock: Clock
  readonly random: Random
  readonly onStored: (segment: Segment) => void
  /** Undefined: the last try went well. */
  readonly onFault: (reason: string | undefined) => void
}

export function createShipper({ store, system, clock, random, onStored, onFault }: ShipperOptions): Shipper {
  const closing = new AbortController()
  const queue: Segment[] = []
  let shipping: Promise<void> | undefined
  const ship = async (): Promise<void> => {
    for (let failures = 0; queue[0] && !closing.signal.aborted;) {
      try {
        await storeLogFile(store, system, queue[0].name, queue[0].content)
        failures = 0
        onFault(undefined)
        const [stored] = queue.splice(0, 1)
        if (stored) onStored(stored)
      } catch (error) {
        onFault(reasonOf(error))
        await clock.sleep(200 + backoffMs(random, failures, 200, 10_000), closing.signal)
        failures += 1
      }
    }
    shipping = undefined
  }
  return {
    push(segment) { queue.push(segment); shipping ??= ship() },
    waiting: () => queue.length,
    async close() { closing.abort(); await shipping },
  }
}
