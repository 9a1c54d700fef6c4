import type { Data, Database } from '../data/index.ts'
import { isIdle } from '../events/index.ts'
import type { Engine } from './engine.ts'

const rowsAtOnce = 5_000

/** Deletes what has outlived its use, some at a time: records, ended runs, kept events that all have taken, files that nobody took. */
export async function sweep(engine: Engine): Promise<boolean> {
  const { data, clock } = engine.platform
  let full = false
  // After an outage deliveries come first: what is delivered again must find its record.
  const behind = (await Promise.all(data.databases.map((database) => isIdle(engine.relay, database)))).includes(false)
  for (const database of data.databases) {
    if (!behind) full = await sweepRecords(data, database, clock.now()) || full
    const values = [new Date(clock.now()), rowsAtOnce]
    const subscribers = engine.relay.subscribers.map(({ name }) => name)
    const statements = [
      `delete from tenfold.runs where ctid = any (array(select ctid from tenfold.runs where expires_at < $1 and due_at is null limit $2)) returning 1`,
      `delete from tenfold.outbox where ctid = any (array(select o.ctid from tenfold.outbox o where expires_at < $1 and seq <= (select coalesce(min(position), 9223372036854775807) from tenfold.subscribers where name = any($3))
        and not exists (select from tenfold.parked p where p.seq = o.seq) limit $2)) returning 1`,
    ]
    for (const text of statements) full = (await data.execute(database, { text, values: text.includes('$3') ? [...values, subscribers] : values })).length === rowsAtOnce || full
  }
  await engine.files.collect(async (digests) => {
    const found = await Promise.all(data.databases.map((database) => data.execute<{ sha256: string }>(database, { text: 'select sha256 from tenfold.files where sha256 = any($1)', values: [digests] })))
    return new Set(found.flat().map(({ sha256 }) => sha256))
  })
  return full
}

/** Records live as long as their run, wherever that is kept. */
async function sweepRecords(data: Data, database: Database, nowMs: number): Promise<boolean> {
  const old = await data.execute<{ bucket: number; run: string }>(database, { text: 'select distinct bucket, run from (select bucket, run from tenfold.records where expires_at < $1 limit $2) as old', values: [new Date(nowMs), rowsAtOnce] })
  const buckets = old.map(({ bucket }) => bucket)
  const runs = old.map(({ run }) => run)
  const alive = (await Promise.all(data.databases.map((one) => data.execute<{ id: string }>(one, { text: `select id from tenfold.runs where id = any($1) and state not in ('done', 'undone')`, values: [runs] })))).flat().map(({ id }) => id)
  await data.execute(database, {
    text: 'update tenfold.records as r set expires_at = $4 from unnest($1::smallint[], $2::uuid[]) as old(bucket, run) where r.bucket = old.bucket and r.run = old.run and r.run = any($3)', values: [buckets, runs, alive, new Date(nowMs + 86_400_000)],
  })
  const gone = await data.execute(database, {
    text: 'delete from tenfold.records as r using unnest($1::smallint[], $2::uuid[]) as old(bucket, run) where r.bucket = old.bucket and r.run = old.run and r.expires_at < $3 returning 1', values: [buckets, runs, new Date(nowMs)],
  })
  return gone.length >= rowsAtOnce
}
