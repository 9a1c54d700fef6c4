import type { Caller } from '../app/index.ts'
import { awaitsReplication, type Data, type Database } from '../data/index.ts'
import { type KeptRefusal, runColumns, type RunRow, takeOver } from '../jobs/index.ts'
import { recordsKeptMs, type Run } from './run.ts'

/** The rows of actions' runs: each change of state is one statement that names the owner it expects. */

export interface NewRun {
  id: string; bucket: number; name: string; fingerprint: string; caller: Caller; startedAt: number; traceparent: string
  /** Kept only where a backstop will need it: an input may hold what should not lie around. */
  input: unknown
  backstop: { afterMs: number; giveUpAfterMs: number } | undefined
  leaseMs: number
}

/** The new run, ours; or undefined where one of that id is there. */
export async function insertRun(data: Data, database: Database, run: NewRun): Promise<RunRow | undefined> {
  const [row] = await data.execute<RunRow & Record<string, unknown>>(database, {
    name: 'tenfold_run_insert',
    text: `insert into tenfold.runs (bucket, id, kind, name, input, fingerprint, caller, state, due_at, lease_until, tries, epoch, started_at, give_up_at, traceparent, expires_at)
      values ($1, $2, 'action', $3, $4, $5, $6, 'running', $7, $8, 1, 1, $9, $10, $11, $12) on conflict do nothing returning ${runColumns}`,
    values: [run.bucket, run.id, run.name, JSON.stringify(run.backstop ? run.input : {}), run.fingerprint, run.caller && JSON.stringify(run.caller),
      run.backstop ? new Date(run.startedAt + Math.max(run.backstop.afterMs, run.leaseMs)) : null, new Date(run.startedAt + run.leaseMs), new Date(run.startedAt),
      run.backstop ? new Date(run.startedAt + run.backstop.giveUpAfterMs) : null, run.traceparent, run.backstop ? null : new Date(run.startedAt + run.leaseMs + recordsKeptMs)],
  })
  return row
}

/** What has an answer is told when that is safe: a repeat waits for a standby as the commit did, or should have. */
export async function findRun(data: Data, database: Database, bucket: number, id: string): Promise<RunRow | undefined> {
  const [row] = await data.execute<RunRow & Record<string, unknown>>(database, { name: 'tenfold_run_find', text: `select ${runColumns}, case when state in ('done', 'undone', 'unfinished') then ${awaitsReplication} end as awaited from tenfold.runs where bucket = $1 and id = $2`, values: [bucket, id] })
  return row
}

/** Makes it ours, if it is still as we saw it. */
export async function takeRun(data: Data, database: Database, seen: RunRow, nowMs: number, leaseMs: number): Promise<RunRow | undefined> {
  const [row] = await data.execute<RunRow & Record<string, unknown>>(database, {
    name: 'tenfold_run_take',
    text: `update tenfold.runs set ${takeOver}, lease_until = $4, due_at = case when due_at is null then null else greatest(due_at, $4) end
      where bucket = $1 and id = $2 and epoch = $3 and state in ('running', 'unfinished') returning ${runColumns}`,
    values: [seen.bucket, seen.id, seen.epoch, new Date(nowMs + leaseMs)],
  })
  return row
}

/** Ends it. False when it is no longer ours. */
export async function endRun(data: Data, run: Run, state: 'done' | 'undone', answer: unknown, nowMs: number): Promise<boolean> {
  const rows = await data.execute(run.database, {
    name: 'tenfold_run_end', text: `update tenfold.runs set state = $4, answer = $5, due_at = null, lease_until = null, expires_at = $6, input = '{}' where bucket = $1 and id = $2 and epoch = $3 returning 1`,
    values: [run.bucket, run.id, run.epoch, state, JSON.stringify(answer ?? null), new Date(nowMs + run.keepMs)], // as long as its records: a key that is used anew must not find an older run's
  })
  return rows.length > 0
}

/** Writes down that from now on it is undone, by a new owner, and which refusal was the reason. */
export async function beginUndo(data: Data, run: Run, nowMs: number, leaseMs: number, refusal: KeptRefusal | undefined): Promise<RunRow | undefined> {
  const [row] = await data.execute<RunRow & Record<string, unknown>>(run.database, {
    name: 'tenfold_run_undo', text: `update tenfold.runs set give_up_at = least(give_up_at, $4), epoch = epoch + 1, state = 'running', lease_until = $5, due_at = $5, refusal = coalesce(refusal, $6) where bucket = $1 and id = $2 and epoch = $3 returning ${runColumns}`,
    values: [run.bucket, run.id, run.epoch, new Date(nowMs), new Date(nowMs + leaseMs), refusal ? JSON.stringify(refusal) : null],
  })
  return row
}

/** Leaves it for later: to its backstop at `dueAt`, or, without one, to whoever repeats the request. */
export async function leaveRun(data: Data, run: Run, answer: unknown, dueAt: number | undefined, error: string | null, nowMs: number): Promise<boolean> {
  const rows = await data.execute(run.database, {
    name: 'tenfold_run_leave',
    text: `update tenfold.runs set state = 'unfinished', answer = coalesce($4, answer), due_at = $5, lease_until = null, last_error = $6, expires_at = $7 where bucket = $1 and id = $2 and epoch = $3 returning 1`,
    values: [run.bucket, run.id, run.epoch, answer === undefined ? null : JSON.stringify(answer), dueAt === undefined ? null : new Date(dueAt), error, dueAt === undefined ? new Date(nowMs + recordsKeptMs) : null],
  })
  return rows.length > 0
}

/**
 * Whether an earlier owner's command committed, in whatever bucket: the new owner may have been refused before it came to that step,
 * by an answer that is not recorded. Asked of every database, and only then: the look goes over all buckets of the primary key.
 */
export async function leftSomething(data: Data, run: Run): Promise<boolean> {
  if (run.epoch === 1) return false
  const found = await Promise.all(data.databases.map((database) => data.execute<{ any: boolean }>(database, { text: `select exists (select from tenfold.records where run = $1 and step <> '') as any`, values: [run.id] })))
  return found.flat().some(({ any }) => any)
}

/** Forgets it: nothing was left behind. */
export async function dropRun(data: Data, run: Run): Promise<void> {
  await data.execute(run.database, { name: 'tenfold_run_drop', text: `with gone as (delete from tenfold.runs where bucket = $1 and id = $2 and epoch = $3 returning 1)
    delete from tenfold.records where bucket = $1 and run = $2 and exists (select from gone)`, values: [run.bucket, run.id, run.epoch] })
}

/** Lets its lease end now: what a death does in time, and the hostile stage at once. */
export async function abandonRun(data: Data, run: Run, nowMs: number): Promise<void> {
  await data.execute(run.database, { name: 'tenfold_run_abandon', text: 'update tenfold.runs set lease_until = $4 where bucket = $1 and id = $2 and epoch = $3', values: [run.bucket, run.id, run.epoch, new Date(nowMs)] })
}
