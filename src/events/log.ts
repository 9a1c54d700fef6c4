import type { Data, Database } from '../data/index.ts'

/** A numbered fact. */
export interface LoggedEvent { readonly seq: number; readonly event: string; readonly key: string | null; readonly payload: unknown; readonly traceparent: string | null; readonly at: string }

const numberedAtOnce = 1_000
const relayLock = 7_010_079

/**
 * Numbers what has committed since, in the order of writing. One relay at a time (the lock is held to its commit), so numbers appear in
 * their order: who reads `seq > position` can skip nothing, however late a transaction committed. Answers how many.
 */
export async function numberEvents(data: Data, database: Database): Promise<number> {
  const [waiting] = await data.execute<{ any: boolean }>(database, { name: 'tenfold_unnumbered', text: 'select exists (select from tenfold.outbox where seq is null) as any' })
  if (!waiting?.any) return 0
  return data.transact({ database, schema: 'tenfold', bucket: undefined }, { isolation: 'read committed', timeoutMs: 10_000 }, async (transaction) => {
    await transaction.query({ text: 'select pg_advisory_xact_lock($1)', values: [relayLock] })
    const { rowCount } = await transaction.query({
      name: 'tenfold_number',
      text: `with pending as materialized (select bucket, id from tenfold.outbox where seq is null order by id limit ${numberedAtOnce}),
        numbered as materialized (select bucket, id, nextval('tenfold.outbox_numbers') as seq from (select * from pending order by id) as ordered)
        update tenfold.outbox as o set seq = n.seq from numbered as n where o.bucket = n.bucket and o.id = n.id`,
    })
    return rowCount ?? 0
  })
}

export async function headOf(data: Data, database: Database): Promise<number> {
  const [row] = await data.execute<{ head: number | null }>(database, { name: 'tenfold_head', text: 'select max(seq) as head from tenfold.outbox' })
  return row?.head ?? 0
}

export function readEvents(data: Data, database: Database, after: number, upTo: number, names: readonly string[], limit: number): Promise<LoggedEvent[]> {
  return data.execute<{ seq: number; event: string; key: string | null; payload: unknown; traceparent: string | null; at: string }>(database, {
    name: 'tenfold_events', text: 'select seq, event, key, payload, traceparent, at from tenfold.outbox where seq > $1 and seq <= $2 and event = any($3) order by seq limit $4', values: [after, upTo, names, limit],
  })
}

export function readEventsAt(data: Data, database: Database, seqs: readonly number[]): Promise<LoggedEvent[]> {
  return data.execute<{ seq: number; event: string; key: string | null; payload: unknown; traceparent: string | null; at: string }>(database, {
    name: 'tenfold_events_at', text: 'select seq, event, key, payload, traceparent, at from tenfold.outbox where seq = any($1) order by seq', values: [seqs],
  })
}
