import type { Engine } from './engine.ts'

const rowsAtOnce = 5_000

/** Deletes what has outlived its use, some at a time: records, ended runs, kept events that all have taken, files that nobody took. */
export async function sweep(engine: Engine): Promise<boolean> {
  const { data, clock } = engine.platform
  let full = false
  for (const database of data.databases) {
    const values = [new Date(clock.now()), rowsAtOnce]
    const subscribers = engine.relay.subscribers.map(({ name }) => name)
    const statements = [
      'delete from tenfold.records where ctid = any (array(select ctid from tenfold.records where expires_at < $1 limit $2)) returning 1',
      `delete from tenfold.runs where ctid = any (array(select ctid from tenfold.runs where expires_at < $1 and state in ('done', 'undone', 'unfinished') and due_at is null limit $2)) returning 1`,
      `delete from tenfold.outbox where ctid = any (array(select o.ctid from tenfold.outbox o where expires_at < $1 and seq <= (select coalesce(min(position), 0) from tenfold.subscribers where name = any($3))
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
