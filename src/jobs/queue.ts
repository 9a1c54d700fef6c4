import type { Data, Database, Statement } from '../data/index.ts'
import { leaseMs, runColumns, type RunRow, takeOver } from './row.ts'

/** Changes of state of what is due: each is one statement, and names the owner (epoch) that it expects. */

/**
 * Takes up to `count` due rows, first by priority, then by time. What is taken is due again when its lease ends, so a worker that
 * died gives its work back by doing nothing. `SKIP LOCKED`: workers do not wait for each other. A job in the midst of which a worker
 * died twice is a suspect: of those so many beside the others, one at a time, so that the one which kills its workers does not take
 * its neighbours along again and again.
 */
export function takeDue(data: Data, database: Database, count: number, nowMs: number, { not = [], suspects = 1 }: { not?: readonly string[]; suspects?: number } = {}): Promise<RunRow[]> {
  return data.execute<RunRow & Record<string, unknown>>(database, {
    name: 'tenfold_take',
    text: `with due as materialized (
        select bucket, id from tenfold.runs where due_at <= $1 and (deaths = 0 or kind = 'action') and name <> all($4) order by priority, due_at limit $3 for update skip locked),
      suspect as materialized (
        select bucket, id from tenfold.runs where due_at <= $1 and deaths > 0 and kind = 'job' and name <> all($4) order by due_at limit $5 for update skip locked)
      update tenfold.runs set ${takeOver}, due_at = $2, lease_until = $2
      from (select * from due union all select * from suspect) as due where runs.bucket = due.bucket and runs.id = due.id returning ${runColumns}`,
    values: [new Date(nowMs), new Date(nowMs + leaseMs), count, not, suspects],
  })
}

/** For a job with a concurrency limit: counts those that run, in one transaction with the taking, under a lock of its name. */
export function takeLimited(data: Data, database: Database, name: string, limit: number, count: number, nowMs: number): Promise<RunRow[]> {
  return data.transact({ database, schema: 'tenfold', bucket: undefined }, { isolation: 'read committed', timeoutMs: 5_000 }, async (transaction) => {
    await transaction.query({ text: 'select pg_advisory_xact_lock(hashtext($1))', values: [`tenfold job ${name}`] })
    const { rows } = await transaction.query<RunRow & Record<string, unknown>>({
      text: `with due as materialized (
          select bucket, id from tenfold.runs where due_at <= $1 and name = $4 order by priority, due_at
          limit greatest(0, least($3, $5 - (select count(*) from tenfold.runs where name = $4 and state = 'running' and lease_until > $1))) for update skip locked)
        update tenfold.runs set ${takeOver}, due_at = $2, lease_until = $2
        from due where runs.bucket = due.bucket and runs.id = due.id returning ${runColumns}`,
      values: [new Date(nowMs), new Date(nowMs + leaseMs), count, name, limit],
    })
    return rows
  })
}

/** Keeps what is still worked on. */
export async function renew(data: Data, database: Database, rows: readonly RunRow[], nowMs: number): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_renew', text: `update tenfold.runs set due_at = $3, lease_until = $3 from unnest($1::uuid[], $2::int[]) as mine(id, epoch) where runs.id = mine.id and runs.epoch = mine.epoch and state = 'running'`,
    values: [rows.map(({ id }) => id), rows.map(({ epoch }) => epoch), new Date(nowMs + leaseMs)],
  })
}

/** Keeps these for as long as each says. */
export async function lengthen(data: Data, database: Database, rows: readonly (RunRow & { untilMs: number })[]): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_lengthen', text: 'update tenfold.runs set due_at = mine.until, lease_until = mine.until from unnest($1::smallint[], $2::uuid[], $3::int[], $4::timestamptz[]) as mine(bucket, id, epoch, until) where runs.bucket = mine.bucket and runs.id = mine.id and runs.epoch = mine.epoch',
    values: [rows.map(({ bucket }) => bucket), rows.map(({ id }) => id), rows.map(({ epoch }) => epoch), rows.map(({ untilMs }) => new Date(untilMs))],
  })
}

/** The acknowledgement of jobs that are done. */
export async function acknowledge(data: Data, database: Database, rows: readonly RunRow[]): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_done', text: 'delete from tenfold.runs using unnest($1::smallint[], $2::uuid[], $3::int[]) as mine(bucket, id, epoch) where runs.bucket = mine.bucket and runs.id = mine.id and runs.epoch = mine.epoch',
    values: [rows.map(({ bucket }) => bucket), rows.map(({ id }) => id), rows.map(({ epoch }) => epoch)],
  })
}

/** The same, to commit with the job's own writes. Ends the transaction when the job is no longer ours. */
export function acknowledgeWith(row: RunRow): Statement {
  return {
    name: 'tenfold_done_with', text: `with gone as (delete from tenfold.runs where bucket = $1 and id = $2 and epoch = $3 returning 1) select tenfold.require_owner((select count(*) from gone), 'the job')`,
    values: [row.bucket, row.id, row.epoch],
  }
}

/** What was taken and not begun: it waits as it did before. */
export async function giveBack(data: Data, database: Database, rows: readonly RunRow[], nowMs: number): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_give_back',
    text: `update tenfold.runs set state = case when kind = 'job' then 'waiting' else 'unfinished' end, due_at = $4, lease_until = null, tries = greatest(0, tries - 1)
      from unnest($1::smallint[], $2::uuid[], $3::int[]) as mine(bucket, id, epoch) where runs.bucket = mine.bucket and runs.id = mine.id and runs.epoch = mine.epoch`,
    values: [rows.map(({ bucket }) => bucket), rows.map(({ id }) => id), rows.map(({ epoch }) => epoch), new Date(nowMs)],
  })
}

/** Tried again at `dueAtMs`. Its `once` is given up, since another may wait under it by now. */
export async function putBack(data: Data, database: Database, row: RunRow, dueAtMs: number, reason: string, uncounted = false): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_put_back', text: `update tenfold.runs set state = case when kind = 'job' then 'waiting' else 'unfinished' end, due_at = $4, lease_until = null, last_error = $5, tries = greatest(0, tries - $6), deaths = 0, once = null where bucket = $1 and id = $2 and epoch = $3`,
    values: [row.bucket, row.id, row.epoch, new Date(dueAtMs), reason, uncounted ? 1 : 0],
  })
}

/** Gives up, with the reason. */
export async function bury(data: Data, database: Database, row: RunRow, reason: string, nowMs: number): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_bury',
    text: `with gone as (delete from tenfold.runs where bucket = $1 and id = $2 and epoch = $3 returning *)
      insert into tenfold.dead (id, bucket, kind, name, input, reason, tries, died_at, fingerprint, caller, priority, started_at, give_up_at, traceparent)
      select id, bucket, kind, name, input, $4, tries, $5, fingerprint, caller, priority, started_at, give_up_at, traceparent from gone on conflict do nothing`,
    values: [row.bucket, row.id, row.epoch, reason, new Date(nowMs)],
  })
}

/** How much is due, and since when the oldest waits, in seconds. */
export async function depth(data: Data, database: Database, nowMs: number): Promise<{ due: number; oldestSeconds: number }> {
  const [row] = await data.execute<{ due: number; oldest: number }>(database, {
    name: 'tenfold_depth', text: `select count(*) as due, coalesce(extract(epoch from $1::timestamptz - min(due_at)), 0)::float8 as oldest from tenfold.runs where due_at <= $1`, values: [new Date(nowMs)],
  })
  return { due: row?.due ?? 0, oldestSeconds: row?.oldest ?? 0 }
}
