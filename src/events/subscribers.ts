import type { SubscriberDefinition } from '../app/index.ts'
import type { Data, Database, Statement } from '../data/index.ts'

/** A subscriber's place in one database's log, held by one process at a time. */
export interface Place { readonly name: string; readonly position: number; readonly generation: number; readonly epoch: number }

const leaseMs = 30_000

/** A new projection begins with all that is kept. A new `on` begins now: what happened before it was written is not done again. */
export async function registerSubscribers(data: Data, database: Database, subscribers: readonly SubscriberDefinition[]): Promise<void> {
  await data.execute(database, {
    text: `insert into tenfold.subscribers (name, position) select s.name, case when s.replays then 0 else (select coalesce(max(seq), 0) from tenfold.outbox) end
      from unnest($1::text[], $2::boolean[]) as s(name, replays) on conflict do nothing`,
    values: [subscribers.map(({ name }) => name), subscribers.map(({ tables }) => tables !== undefined)],
  })
}

export async function positions(data: Data, database: Database): Promise<Map<string, number>> {
  const rows = await data.execute<{ name: string; position: number }>(database, { name: 'tenfold_positions', text: 'select name, position from tenfold.subscribers' })
  return new Map(rows.map(({ name, position }) => [name, position]))
}

export async function lease(data: Data, database: Database, name: string, nowMs: number): Promise<Place | undefined> {
  const [row] = await data.execute<{ name: string; position: number; generation: number; epoch: number }>(database, {
    name: 'tenfold_lease', text: `update tenfold.subscribers set epoch = epoch + 1, lease_until = $3 where name = $1 and (lease_until is null or lease_until < $2) returning name, position, generation, epoch`,
    values: [name, new Date(nowMs), new Date(nowMs + leaseMs)],
  })
  return row
}

/** Goes out with a projection's COMMIT: one that is being rebuilt takes nothing more of an older generation. */
export function heldGeneration({ name, generation }: { name: string; generation: number }): Statement {
  return { name: 'tenfold_generation', text: `select tenfold.require_owner((select count(*) from (select from tenfold.subscribers where name = $1 and generation = $2 for share) as held), 'the projection')`, values: [name, generation] }
}

/** Moves on, and lets go. A process that lost its lease moves nothing: what it did is found done by the next one. */
export async function advance(data: Data, database: Database, place: Place, position: number): Promise<void> {
  await data.execute(database, {
    name: 'tenfold_advance', text: 'update tenfold.subscribers set position = greatest(position, $3), lease_until = null where name = $1 and epoch = $2', values: [place.name, place.epoch, position],
  })
}
