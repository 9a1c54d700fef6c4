import type { ProcedureDefinition } from '../app/index.ts'
import { bucketOf } from '../base/index.ts'
import type { Data, Database } from '../data/index.ts'
import type { RunRow } from '../jobs/index.ts'
import { runLost } from './records.ts'

/**
 * A run: the durable life of an action with a key or a backstop, or of a job. It has one owner, counted by `epoch`; what its steps
 * answered stands in `tenfold.records`, so that whoever owns it next goes on where the last one stopped.
 */
export interface Run {
  readonly id: string
  readonly bucket: number
  readonly database: Database
  readonly epoch: number
  /** Milliseconds since the epoch: the `now` of every attempt. */
  readonly startedAt: number
  /** Which attempt this is: 1 is the first. */
  readonly tries: number
  /** How long its records are kept, in milliseconds: as long as it may live, and a day. */
  readonly keepMs: number
  /** Answers by step, of this and of earlier attempts. */
  readonly recorded: Map<string, { fingerprint: string; answer: unknown }>
  /** Answers of queries and dependencies that are not written yet: they are, before the next command starts. */
  readonly pending: { step: string; fingerprint: string; answer: unknown }[]
  /** How many answers so far came from a fallback or were left unfinished: nothing that rests on them is recorded. */
  provisional: number
  /** Whether a command or a dependency may have left something behind. */
  touched: boolean
  /** Steps under way: a refusal waits for them before it says that nothing was left behind. */
  flushed: Promise<void>
  readonly working: Set<Promise<unknown>>
  /** Set by `ctx.unfinished`. */
  left: boolean
}

export const recordsKeptMs = 24 * 3_600_000
/** Where the run of an action with that input is kept: beside the rows of the bucket that the input names, else in the first database. */
export function homeOf(data: Data, procedure: ProcedureDefinition, input: unknown): { database: Database; bucket: number } {
  const key = procedure.shard.kind === 'field' ? (input as Record<string, unknown>)[procedure.shard.field] : undefined
  if (typeof key !== 'string' && typeof key !== 'number') return { database: data.databaseOf(undefined), bucket: 0 }
  return { database: data.databaseOf(bucketOf(key)), bucket: bucketOf(key) }
}

export function runOf(row: Pick<RunRow, 'id' | 'bucket' | 'epoch' | 'tries' | 'started_at' | 'give_up_at'>, database: Database): Run {
  const startedAt = Date.parse(row.started_at)
  const keepMs = recordsKeptMs + Math.max(0, row.give_up_at ? Date.parse(row.give_up_at) - startedAt : 0)
  return { id: row.id, bucket: row.bucket, database, epoch: row.epoch, tries: row.tries, startedAt, keepMs, recorded: new Map(), pending: [], flushed: Promise.resolve(), working: new Set(), provisional: 0, touched: false, left: false }
}

/** What earlier owners recorded in the run's own bucket. What their commands recorded elsewhere is found when a step is called again. */
export async function loadRecords(data: Data, run: Run): Promise<void> {
  const rows = await data.execute<{ step: string; fingerprint: string; answer: unknown }>(run.database, {
    name: 'tenfold_records', text: `select step, fingerprint, answer from tenfold.records where bucket = $1 and run = $2 and step <> ''`, values: [run.bucket, run.id],
  })
  for (const { step, fingerprint, answer } of rows) run.recorded.set(step, { fingerprint, answer })
  if (rows.length > 0) run.touched = true
}

/** Writes the answers that wait. Errors: `run-lost`. */
export function flushRecords(data: Data, run: Run, nowMs: number): Promise<void> {
  // One behind the other: a command that finds nothing left to write still waits for what is being written.
  return run.flushed = run.flushed.catch(() => {}).then(() => flush(data, run, nowMs))
}

async function flush(data: Data, run: Run, nowMs: number): Promise<void> {
  if (run.pending.length === 0) return
  const pending = run.pending.splice(0)
  const rows = await data.execute<{ fenced: boolean }>(run.database, {
    name: 'tenfold_flush',
    text: `with fence as (
        insert into tenfold.records (bucket, run, step, expires_at, epoch) values ($1, $2, '', $3, $4)
        on conflict (bucket, run, step) do update set epoch = excluded.epoch where records.epoch <= excluded.epoch returning 1),
      written as (
        insert into tenfold.records (bucket, run, step, fingerprint, answer, expires_at)
        select $1, $2, s.step, s.fingerprint, s.answer, $3 from fence, unnest($5::text[], $6::text[], $7::jsonb[]) as s(step, fingerprint, answer) on conflict do nothing returning 1)
      select exists (select from fence) as fenced, (select count(*) from written)`,
    values: [run.bucket, run.id, new Date(nowMs + run.keepMs), run.epoch, pending.map((row) => row.step), pending.map((row) => row.fingerprint), pending.map((row) => JSON.stringify(row.answer ?? null))],
  }).catch((error: unknown) => { run.pending.unshift(...pending); throw error })
  if (!rows[0]?.fenced) throw runLost(run.id)
}
