import pg from 'pg'
import { systemClock } from '../base/index.ts'
import { cut, hold } from './burst.ts'
import { isLostConnection, isStalePlan } from './faults.ts'
import type { Address } from './pool.ts'
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
  /** From now on connections are made there. */
  move(to: Address): void
  /** Cuts its connections, for one that has fallen silent: what waits on them is lost, what comes next connects anew. */
  reset(): void
  close(): Promise<void>
}

/**
 * `configAt` is the driver's configuration, for a host where there are several; `fault` makes an error of the driver one for the caller; `served` is told how long a statement took once it
 * was its turn, in milliseconds: what it waited for its neighbours is not its own.
 */
export function createLane(configAt: (to?: Address) => pg.ClientConfig, size: number, fault: (error: unknown) => unknown, served?: (statement: Statement, tookMs: number) => void): Lane {
  const slots: (Opening | undefined)[] = Array.from({ length: size }, () => undefined)
  let next = 0
  let config = configAt()

  const opening = (): Opening => {
    const slot = next = (next + 1) % size
    return slots[slot] ??= connect(config, (mine) => forget(mine, slot))
  }
  const forget = (mine: Opening, slot: number) => {
    // By identity: the end of a connection that was replaced already must not forget the new one.
    if (slots[slot] === mine) slots[slot] = undefined
  }
  /** What it has been sent already, it still answers. */
  const retire = (stale: Opening) => {
    slots.forEach((_, slot) => forget(stale, slot))
    stale.client.end().catch(() => { /* it is gone */ })
  }
  const reset = () => {
    for (const [slot, mine] of slots.entries()) {
      if (!mine) continue
      forget(mine, slot)
      cut(mine.client) // also one that is not open yet: who waits for it goes elsewhere
    }
  }
  /** `left`: how often it is sent again at most. Reads have no effect, so all of them may be. */
  const burst = async (statements: readonly Statement[], left = size + 1): Promise<pg.QueryResult[]> => {
    const lane = opening()
    try {
      return await send(await lane.open, statements)
    } catch (error) {
      // What a dying connection took with it goes once more, on a fresh one.
      if (left > 0 && isLostConnection(error)) return burst(statements, 0)
      if (left > 0 && isStalePlan(error)) { retire(lane); return burst(statements, left - 1) }
      throw fault(error)
    }
  }
  const lastEnds = new WeakMap<pg.Client, number>()
  const send = async (lane: pg.Client, statements: readonly Statement[]): Promise<pg.QueryResult[]> => {
    const sentAt = served ? systemClock.monotonic() : 0
    const flush = hold(lane)
    const answers = statements.map((statement) => lane.query(statement as pg.QueryConfig))
    flush()
    const outcomes = await Promise.allSettled(answers)
    if (served) {
      const now = systemClock.monotonic()
      served(statements[0] as Statement, now - Math.max(sentAt, lastEnds.get(lane) ?? 0))
      lastEnds.set(lane, now)
    }
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failure) throw failure.reason
    return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<pg.QueryResult>).value)
  }
  return {
    burst,
    run: async (statement) => (await burst([statement]))[0] as pg.QueryResult,
    move(to) { config = configAt(to); reset() },
    reset,
    async close() {
      const open = slots.splice(0).filter((slot) => slot !== undefined)
      await Promise.allSettled(open.map(async (slot) => (await slot.open).end()))
    },
  }
}

/** A connection, and when it can be used. */
interface Opening { readonly client: pg.Client; readonly open: Promise<pg.Client> }

function connect(config: pg.ClientConfig, onEnd: (mine: Opening) => void): Opening {
  const client = new pg.Client({ ...config, pipeline: true } as pg.ClientConfig)
  const mine: Opening = { client, open: client.connect().then(() => client) }
  for (const event of ['error', 'end'] as const) client.on(event, () => onEnd(mine))
  mine.open.catch(() => onEnd(mine))
  return mine
}
