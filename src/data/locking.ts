import type pg from 'pg'
import { type Clock, failed, type Random } from '../base/index.ts'
import { backoffMs } from '../base/backoff.ts'
import { isLockLost } from './faults.ts'
import type { ReplicaLag } from './replica-lag.ts'

/** How long a migration waits for others: for its locks a moment only, since everybody who comes behind it waits along, and then again. */
export interface Patience {
  /** Of one try, in milliseconds. */
  readonly lockTimeoutMs: number
  readonly tries: number
  readonly lag: ReplicaLag
  readonly clock: Clock
  readonly random: Random
  readonly onStatus: (text: string) => void
}

export const usualPatience = { lockTimeoutMs: 1_000, tries: 20 } as const
const [pauseBaseMs, pauseMostMs] = [250, 8_000]

/**
 * Does the work again, after a growing pause with jitter, as often as it loses a lock; `work` leaves nothing behind when it throws.
 * Errors: `migration` when the tries are used up, naming who was in the way; whatever else `work` throws.
 */
export async function patiently<T>(client: pg.Client, name: string, patience: Patience, work: () => Promise<T>): Promise<T> {
  const { tries, lockTimeoutMs, clock, random, onStatus } = patience
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!isLockLost(error)) throw error
      if (attempt === tries) {
        throw failed('migration', `The migration ${name} got no lock in ${tries} ${tries === 1 ? 'try' : 'tries'} of ${lockTimeoutMs} ms: ${await inTheWay(client)}. Nothing of it was kept: end what is in the way, and start again.`, { cause: error })
      }
      const pauseMs = backoffMs(random, attempt, pauseBaseMs, pauseMostMs)
      onStatus(`${name} waits for a lock: try ${attempt} of ${tries} failed, the next in ${Math.round(pauseMs)} ms`)
      await clock.sleep(pauseMs)
    }
  }
}

/** The oldest transaction of this database beside our own: it is what holds locks longest. */
async function inTheWay(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ pid: number; name: string; seconds: number; query: string }>(`select pid, coalesce(nullif(application_name, ''), 'unnamed') as name, extract(epoch from clock_timestamp() - xact_start)::int as seconds, left(regexp_replace(query, '\\s+', ' ', 'g'), 80) as query
    from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null order by xact_start limit 1`)
  const [oldest] = rows
  return oldest === undefined ? 'whoever held it has gone since' : `the oldest transaction is of process ${oldest.pid} (${oldest.name}), open for ${oldest.seconds} s, which last said ${JSON.stringify(oldest.query)}`
}
