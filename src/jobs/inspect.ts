import type { Data, Database } from '../data/index.ts'

/** Runs and dead letters for people: what stands in the tables, and the few things that one may do about it. */

export interface RunSummary extends Record<string, unknown> {
  id: string; kind: 'job' | 'action'; name: string; state: string; tries: number; deaths: number; startedAt: string; dueAt: string | null; lastError: string | null
}
export interface RunDetails extends RunSummary { input: unknown; answer: unknown; caller: unknown; giveUpAt: string | null; steps: { step: string; answer: unknown }[] }
export interface DeadLetter extends Record<string, unknown> { id: string; kind: 'job' | 'action' | 'event'; name: string; reason: string; tries: number; diedAt: string; input: unknown }

const summary = `id, kind, name, state, tries, deaths, started_at as "startedAt", due_at as "dueAt", last_error as "lastError"`
const letter = `id, kind, name, reason, tries, died_at as "diedAt", input`

/** What has not ended, the one that is due first in front. */
export function listRuns(data: Data, database: Database, limit: number): Promise<RunSummary[]> {
  return data.execute<RunSummary>(database, { text: `select ${summary} from tenfold.runs where state in ('waiting', 'running', 'unfinished') order by due_at nulls last, id limit $1`, values: [limit] })
}

/** One run, ended or not, with what its steps in its own bucket answered. */
export async function showRun(data: Data, database: Database, id: string): Promise<RunDetails | undefined> {
  const [run] = await data.execute<RunDetails>(database, { text: `select ${summary}, input, answer, caller, give_up_at as "giveUpAt" from tenfold.runs where id = $1`, values: [id] })
  if (!run) return undefined
  const steps = await data.execute<{ step: string; answer: unknown }>(database, { text: `select step, answer from tenfold.records where run = $1 and step <> '' order by step`, values: [id] })
  return { ...run, steps }
}

/** Due now. False when it is at work, or has ended. */
export async function retryRun(data: Data, database: Database, id: string, nowMs: number): Promise<boolean> {
  return (await data.execute(database, { text: `update tenfold.runs set due_at = $2 where id = $1 and state in ('waiting', 'unfinished') and due_at is not null returning 1`, values: [id, new Date(nowMs)] })).length > 0
}

/** A job that waits is forgotten; an action is given up, and undone when a worker next looks. Undefined when it is at work, or has ended. */
export async function discardRun(data: Data, database: Database, id: string, nowMs: number): Promise<'forgotten' | 'undone' | undefined> {
  const gone = await data.execute(database, { text: `delete from tenfold.runs where id = $1 and kind = 'job' and state = 'waiting' returning 1`, values: [id] })
  if (gone.length > 0) return 'forgotten'
  const given = await data.execute(database, { text: `update tenfold.runs set give_up_at = $2, due_at = $2 where id = $1 and kind = 'action' and state = 'unfinished' and give_up_at is not null returning 1`, values: [id, new Date(nowMs)] })
  return given.length > 0 ? 'undone' : undefined
}

/** The latest first. */
export function listDead(data: Data, database: Database, limit: number): Promise<DeadLetter[]> {
  return data.execute<DeadLetter>(database, { text: `select ${letter} from tenfold.dead order by died_at desc, id limit $1`, values: [limit] })
}

export async function showDead(data: Data, database: Database, id: string): Promise<DeadLetter | undefined> {
  return (await data.execute<DeadLetter>(database, { text: `select ${letter} from tenfold.dead where id = $1`, values: [id] }))[0]
}

/**
 * Alive again, with all of its tries before it: a job or an action under its old id, so that what it had done stays done once; an event
 * at the head of its key. False when there is none, or its event is no longer kept.
 */
export async function retryDead(data: Data, database: Database, id: string, nowMs: number): Promise<boolean> {
  const now = new Date(nowMs)
  const run = await data.execute(database, {
    text: `with gone as (delete from tenfold.dead where id = $1 and kind <> 'event' returning *)
      insert into tenfold.runs (bucket, id, kind, name, input, fingerprint, caller, state, priority, due_at, started_at, give_up_at, traceparent)
      select bucket, id, kind, name, input, fingerprint, caller, case when kind = 'job' then 'waiting' else 'unfinished' end, priority, $2, started_at, give_up_at, traceparent from gone returning 1`, values: [id, now],
  })
  if (run.length > 0) return true
  const event = await data.execute(database, {
    text: `with letter as (select d.id, d.name, o.seq, coalesce(o.key, '#' || o.seq) as key from tenfold.dead d join tenfold.outbox o on o.seq = (d.input->>'seq')::bigint where d.id = $1 and d.kind = 'event'),
        parked as (insert into tenfold.parked (subscriber, seq, key, tries, due_at) select name, seq, key, 0, $2 from letter on conflict do nothing)
      delete from tenfold.dead where id in (select id from letter) returning 1`, values: [id, now],
  })
  return event.length > 0
}

export async function discardDead(data: Data, database: Database, id: string): Promise<boolean> {
  return (await data.execute(database, { text: 'delete from tenfold.dead where id = $1 returning 1', values: [id] })).length > 0
}
