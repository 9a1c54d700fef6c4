import type pg from 'pg'
import { failed } from '../base/index.ts'
import type { Patience } from './locking.ts'

/** A backfill waits while a replica is further behind, in either: reads would fall back on the primary, all at once. */
export interface ReplicaLag { readonly bytes: number; readonly seconds: number }
export const usualLag: ReplicaLag = { bytes: 16 * 1024 ** 2, seconds: 5 }
const [lookEveryMs, giveUpAfterMs] = [250, 10 * 60_000]

/**
 * Answers once no replica is too far behind; asked of the primary, which sees what each has replayed. A role without pg_monitor sees
 * nothing there, and does not wait. Errors: `migration`, after ten minutes in which one did not catch up; what was done stays done.
 */
export async function replicasCaughtUp(client: pg.Client, name: string, { clock, onStatus, lag }: Pick<Patience, 'clock' | 'onStatus' | 'lag'>): Promise<void> {
  const until = clock.monotonic() + giveUpAfterMs
  for (let first = true; ; first = false) {
    const { rows } = await client.query<{ replica: string; bytes: number; seconds: number }>(`select coalesce(nullif(application_name, ''), client_addr::text, 'a replica') as replica, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 as bytes, coalesce(extract(epoch from replay_lag), 0)::float8 as seconds
      from pg_stat_replication where state = 'streaming' and replay_lsn is not null order by 2 desc`)
    const behind = rows.find(({ bytes, seconds }) => bytes > lag.bytes || (bytes > 0 && seconds > lag.seconds))
    if (behind === undefined) return
    const said = `${behind.replica} is ${Math.round(behind.bytes / 1024 ** 2)} MB and ${Math.round(behind.seconds)} s behind`
    if (clock.monotonic() > until) throw failed('migration', `The migration ${name} waited ${giveUpAfterMs / 60_000} minutes for a replica: ${said}. What was done stays done: see why it does not catch up, and start again.`)
    if (first) onStatus(`${name} waits: ${said}`)
    await clock.sleep(lookEveryMs)
  }
}
