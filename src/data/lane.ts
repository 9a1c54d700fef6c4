import pg from 'pg'
import { systemClock } from '../base/index.ts'
import { isLostConnection } from './faults.ts'
import type { Statement } from './transaction.ts'

/**
 * A few connections that many callers share: known, read-only statements are written to them one behind the other without waiting
 * (the extended protocol's pipeline), prepared once under their names. Nothing here is ever cancelled, since a cancel would hit a
 * neighbour; the session's `statement_timeout` bounds each.
 */
export interface Lane {
  run: (statement: Statement) => Promise<pg.QueryResult>
  /** Statements that must stand next to each other, such as one inside its own transaction; answers all, in order. */
  burst(statements: readonly Statement[]): Promise<pg.QueryResult[]>
  close(): Promise<void>
}

/**
 * `config` is the driver's; `fault` makes an error of the driver one for the caller; `served` is told how long a statement took once it
 * was its turn, in milliseconds: what it waited for its neighbours is not its own.
 */
export function createLane(config: pg.ClientConfig, size: number, fault: (error: unknown) => unknown, served?: (statement: Statement, tookMs: number) => void): Lane {
  const slots: (Promise<pg.Client> | undefined)[] = Array.from({ length: size }, () => undefined)
  let next = 0

  const client = (): Promise<pg.Client> => {
    const slot = next = (next + 1) % size
    if (slots[slot]) return slots[slot]
    // By identity: the end of a connection that was replaced already must not forget the new one.
    const forget = () => { if (slots[slot] === mine) slots[slot] = undefined }
    const mine: Promise<pg.Client> = connect(config, () => forget()).catch((error: unknown) => { forget(); throw error })
    return slots[slot] = mine
  }
  const lastEnds = new WeakMap<pg.Client, number>()
  const burst = async (statements: readonly Statement[], again = true): Promise<pg.QueryResult[]> => {
    try {
      const lane = await client()
      const sentAt = served ? systemClock.monotonic() : 0
      const outcomes = await Promise.allSettled(statements.map((statement) => lane.query(statement as pg.QueryConfig)))
      if (served) {
        const now = systemClock.monotonic()
        served(statements[0] as Statement, now - Math.max(sentAt, lastEnds.get(lane) ?? 0))
        lastEnds.set(lane, now)
      }
      const failure = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failure) throw failure.reason
      return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<pg.QueryResult>).value)
    } catch (error) {
      // Reads have no effect, so one that a dying connection took with it is sent once more on a fresh one.
      if (again && isLostConnection(error)) return burst(statements, false)
      throw fault(error)
    }
  }
  return {
    burst,
    run: async (statement) => (await burst([statement]))[0] as pg.QueryResult,
    async close() {
      const open = slots.splice(0).filter((slot) => slot !== undefined)
      await Promise.allSettled(open.map(async (slot) => (await slot).end()))
    },
  }
}

async function connect(config: pg.ClientConfig, onEnd: () => void): Promise<pg.Client> {
  const client = new pg.Client({ ...config, pipeline: true } as pg.ClientConfig)
  client.on('error', onEnd)
  client.on('end', onEnd)
  await client.connect()
  return client
}
