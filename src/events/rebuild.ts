import type { ModuleDefinition, SubscriberDefinition } from '../app/index.ts'
import { type Clock, failed } from '../base/index.ts'
import { type Data, type Database, snakeName } from '../data/index.ts'

/**
 * Empties a projection and lets it take all kept events again, under a new generation (its old records say nothing about that one).
 * Paused first in every database, so that nothing is delivered meanwhile; killed half-way, it stays paused until this is run again.
 * Errors: `definition` when it is no projection.
 */
export async function rebuildProjection(data: Data, clock: Clock, projection: SubscriberDefinition): Promise<void> {
  if (!projection.tables) throw failed('definition', `${projection.name} is no projection: only a projection can be rebuilt, since an 'on' may do what cannot be done twice.`)
  for (const database of data.databases) {
    const paused = () => data.execute(database, {
      text: `update tenfold.subscribers set lease_until = 'infinity', epoch = epoch + 1 where name = $1 and (lease_until is null or lease_until < $2 or lease_until = 'infinity') returning 1`, values: [projection.name, new Date(clock.now())],
    })
    while ((await paused()).length === 0) await clock.sleep(25)
  }
  // One generation for all databases, and before anything is emptied: a delivery that is still under way has committed by then, or is refused.
  const known = await Promise.all(data.databases.map((database) => data.execute<{ generation: number }>(database, { text: 'select generation from tenfold.subscribers where name = $1', values: [projection.name] })))
  const generation = 1 + Math.max(...known.flat().map((row) => row.generation))
  for (const database of data.databases) await data.execute(database, { text: 'update tenfold.subscribers set generation = $2 where name = $1', values: [projection.name, generation] })
  for (const database of data.databases) for (const table of projection.tables) await emptyTable(data, database, projection.module, table)
  for (const database of data.databases) {
    await data.execute(database, { text: 'delete from tenfold.parked where subscriber = $1', values: [projection.name] })
    await data.execute(database, { text: 'update tenfold.subscribers set position = 0, lease_until = null where name = $1', values: [projection.name] })
  }
}

/** Of one database: a table has as many rows as it has. */
const emptyingMs = 10 * 60_000

/** A sharded module's rows are emptied bucket by bucket, as row security shows them. */
async function emptyTable(data: Data, database: Database, module: ModuleDefinition, table: string): Promise<void> {
  const schema = snakeName(module.name)
  const name = `"${schema}"."${snakeName(table)}"`
  const inBucket = <Row extends Record<string, unknown>>(bucket: number | 'all' | undefined, text: string) =>
    data.transact({ database, schema, bucket }, { isolation: 'read committed', timeoutMs: emptyingMs }, async (transaction) => (await transaction.query<Row>({ text })).rows)
  const buckets = module.shardKey === undefined ? [undefined] : (await inBucket<{ bucket: number }>('all', `select distinct bucket from ${name}`)).map(({ bucket }) => bucket)
  for (const bucket of buckets) await inBucket(bucket, `delete from ${name}`)
}
