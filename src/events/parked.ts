import type { Data, Database } from '../data/index.ts'
import type { LoggedEvent } from './log.ts'

/** Events that a subscriber could not take, and those of the same key behind them: they wait here, in order, and hold up nothing else. */
export interface ParkedEvent { readonly seq: number; readonly key: string; readonly tries: number }

/** Without a key an event is alone. */
export function keyOf(event: LoggedEvent): string { return event.key ?? `#${event.seq}` }

export async function parkedKeys(data: Data, database: Database, subscriber: string): Promise<Set<string>> {
  const rows = await data.execute<{ key: string }>(database, { name: 'tenfold_parked_keys', text: 'select distinct key from tenfold.parked where subscriber = $1', values: [subscriber] })
  return new Set(rows.map(({ key }) => key))
}

export async function park(data: Data, database: Database, subscriber: string, event: LoggedEvent, tries: number, dueAtMs: number, reason: string | null): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_park', text: `insert into tenfold.parked (subscriber, seq, key, tries, due_at, last_error) values ($1, $2, $3, $4, $5, $6)
      on conflict (subscriber, seq) do update set tries = excluded.tries, due_at = excluded.due_at, last_error = excluded.last_error`,
    values: [subscriber, event.seq, keyOf(event), tries, new Date(dueAtMs), reason],
  })
}

/** The first parked event of each key that is due. */
export function dueParked(data: Data, database: Database, subscriber: string, nowMs: number): Promise<ParkedEvent[]> {
  return data.execute<{ seq: number; key: string; tries: number }>(database, {
    name: 'tenfold_parked_due', text: 'select * from (select distinct on (key) seq, key, tries, due_at from tenfold.parked where subscriber = $1 order by key, seq) as first where due_at <= $2 order by seq limit 100',
    values: [subscriber, new Date(nowMs)],
  })
}

export async function unpark(data: Data, database: Database, subscriber: string, seq: number): Promise<void> {
  await data.execute(database, { name: 'tenfold_unpark', text: 'delete from tenfold.parked where subscriber = $1 and seq = $2', values: [subscriber, seq] })
}

/** Gives up on one event, with its reason; those behind it go on. */
export async function bury(data: Data, database: Database, subscriber: string, event: LoggedEvent, id: string, tries: number, reason: string, nowMs: number): Promise<void> {
  await data.execute(database, {
    text: `with gone as (delete from tenfold.parked where subscriber = $1 and seq = $2)
      insert into tenfold.dead (id, bucket, kind, name, input, reason, tries, died_at) values ($3, 0, 'event', $1, $4, $5, $6, $7) on conflict do nothing`,
    values: [subscriber, event.seq, id, JSON.stringify({ event: event.event, seq: event.seq, payload: event.payload }), reason, tries, new Date(nowMs)],
  })
}
