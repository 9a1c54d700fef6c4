/** `tenfold/data` inside a service that is not Tenfold's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { createData } from 'tenfold/data'
import { emptyDatabase } from '../support/empty-database.ts'

interface Tables { things: { id: number; name: string; hits: number } }
const schema = `create table things (id bigint primary key, name text not null, hits integer not null default 0); insert into things (id, name) select n, 'thing ' || n from generate_series(1, 100) n; create sequence numbers;
  create function touch(wanted bigint) returns integer language sql as 'update things set hits = hits + 1 where id = wanted returning hits'`

/** Which connections of a database have run what: a lane's are read only. */
const lanes = `select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ilike $1`

test('the pool is pg\'s: texts, configurations, callbacks, clients, errors and types are as ever', async (context) => {
  const { url, closing } = await emptyDatabase(context, schema)
  const data = createData<Tables>({ primary: url })
  const plain = new pg.Pool({ connectionString: url })
  closing(() => Promise.all([data.close(), plain.end()]))
  const { pool } = data
  assert.ok(pool instanceof pg.Pool)
  for (const query of [
    (p: pg.Pool) => p.query('select id, name from things where id = $1', [7]), (p: pg.Pool) => p.query({ text: 'select id from things where id = any($1) order by id', values: [[1, 2]] }),
    (p: pg.Pool) => p.query({ text: 'select 1::bigint as big, now() is not null as there, null as none', rowMode: 'array' }), (p: pg.Pool) => p.query({ name: 'mine', text: 'select name from things where id = $1', values: [9] }),
    (p: pg.Pool) => p.query('  SELECT count(*) from things'), (p: pg.Pool) => p.query('update things set hits = 5 where id = 3 returning id, hits'), (p: pg.Pool) => p.query('with t as (select 1 as one) select * from t'),
    (p: pg.Pool) => new Promise<pg.QueryResult>((resolve, reject) => { p.query('select id from things where id = $1', [4], (error, result) => { if (error) reject(error); else resolve(result) }) }),
    async (p: pg.Pool) => { const client = await p.connect(); try { await client.query('begin'); await client.query('select set_config($1, $2, true)', ['app.who', 'ann']); return await client.query(`select current_setting('app.who') as who`) } finally { await client.query('commit'); client.release() } },
  ]) {
    const [ours, theirs] = [await query(pool), await query(plain)]
    assert.deepEqual([ours.rows, ours.rowCount, ours.command, ours.fields.map(({ name }) => name)], [theirs.rows, theirs.rowCount, theirs.command, theirs.fields.map(({ name }) => name)])
  }
  for (const wrong of ['select * from nowhere', 'select 1 / 0', 'selekt']) {
    const said = async (p: pg.Pool) => p.query(wrong).then(() => 'no error', (error: pg.DatabaseError) => [error instanceof pg.DatabaseError, error.code, error.message])
    assert.deepEqual(await said(pool), await said(plain), wrong)
  }
})

test('a SELECT that writes after all, or locks, has its effect once; a crowd shares a few connections, and a slow one holds up nobody', async (context) => {
  const { url, sql, closing } = await emptyDatabase(context, schema)
  const data = createData<Tables>({ primary: url })
  closing(() => data.close())
  const { pool } = data
  assert.deepEqual((await pool.query(`select nextval('numbers')::int as n`)).rows, [{ n: 1 }])
  assert.deepEqual((await pool.query(`select nextval('numbers')::int as n`)).rows, [{ n: 2 }])
  for (const hits of [1, 2]) assert.deepEqual((await pool.query('select touch($1) as hits', [5])).rows, [{ hits }])
  assert.equal((await pool.query('select id from things where id = 1 for update')).rowCount, 1)
  const ids = Array.from({ length: 500 }, (_, nth) => 1 + nth % 100)
  const rows = await Promise.all(ids.map((id) => pool.query('select name from things where id = $1', [id])))
  assert.deepEqual(rows.map((result) => (result.rows[0] as { name: string }).name), ids.map((id) => `thing ${id}`))
  assert.deepEqual(await sql(lanes, ['select name from things%']), [{ n: 2 }])
  for (let nth = 0; nth < 2; nth++) await pool.query('select pg_sleep(0.06)')
  // From now on it has a connection of its own: who comes after it is answered first.
  const order: string[] = []
  await Promise.all([pool.query('select pg_sleep(0.06)').then(() => order.push('slow')), ...[1, 2, 3, 4].map((id) => pool.query('select name from things where id = $1', [id]).then(() => order.push('quick')))])
  assert.deepEqual(order, ['quick', 'quick', 'quick', 'quick', 'slow'])
})

test('read and write: a caller sees what it wrote, on whichever copy; a transaction that loses is run again; reads cannot write', async (context) => {
  const { url, replicaUrl, closing } = await emptyDatabase(context, schema)
  const data = createData<Tables>({ primary: url, replicas: [replicaUrl], secret: 'a secret of thirty-two bytes, or more' })
  closing(() => data.close())
  const hitsOf = (id: number, seen?: string) => data.read((db) => db.selectFrom('things').select('hits').where('id', '=', id).executeTakeFirst(), { seen })
  let seen: string | undefined
  for (let nth = 1; nth <= 5; nth++) {
    const { answer, consistency } = await data.write(async (db) => {
      const thing = await db.selectFrom('things').select('hits').where('id', '=', 1).executeTakeFirstOrThrow()
      return db.updateTable('things').set({ hits: thing.hits + 1 }).where('id', '=', 1).returning('hits').executeTakeFirstOrThrow()
    }, { seen })
    seen = consistency
    assert.deepEqual([answer, await hitsOf(1, seen)], [{ hits: nth }, { hits: nth }])
  }
  await Promise.all(Array.from({ length: 6 }, () => data.write(async (db) => {
    const { hits } = await db.selectFrom('things').select('hits').where('id', '=', 2).executeTakeFirstOrThrow()
    return db.updateTable('things').set({ hits: hits + 1 }).where('id', '=', 2).execute()
  })))
  assert.deepEqual(await data.write((db) => db.selectFrom('things').select('hits').where('id', '=', 2).execute()).then(({ answer }) => answer), [{ hits: 6 }])
  await assert.rejects(data.read((db) => db.sql`delete from things`), { code: 'definition', message: /A query tried to write/ })
  await assert.rejects(data.read((db) => db.sql`select pg_sleep(5)`, { timeout: '50ms' }), { code: 'timeout' })
  assert.equal(await data.read(async () => 'a forged token says nothing', { seen: 'forged.token' }), 'a forged token says nothing')
})

test('what is wrong with its settings is said at once', () => {
  assert.throws(() => createData({ primary: 'mysql://x' }), { code: 'topology', message: /primary is no address of a Postgres/ })
  assert.throws(() => createData({ primary: 'env:NO_SUCH_DATABASE' }), { code: 'secret', message: /NO_SUCH_DATABASE, which is not set/ })
  assert.throws(() => createData({ primary: 'postgres://a@b/c', replicas: ['postgres://a@b/c'] }), { code: 'topology', message: /has replicas and no secret/ })
})

test('a migration that adds a column fails nobody who prepared a select * before it', async (context) => {
  const { url, sql, closing } = await emptyDatabase(context, schema)
  const data = createData<Tables>({ primary: url })
  closing(() => data.close())
  const every: (() => Promise<unknown[]>)[] = [
    async () => (await data.pool.query('select * from things where id = $1', [1])).rows,
    () => data.read((db) => db.selectFrom('things').selectAll().where('id', '=', 1).execute()),
    async () => (await data.write((db) => db.updateTable('things').set({ hits: 7 }).where('id', '=', 1).returningAll().execute(), { isolation: 'read committed' })).answer,
  ]
  // A crowd first: each of several connections has prepared each of them.
  for (const ask of every) for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 8 }, ask))
  await sql('alter table things add column note text')
  for (const ask of every) for (const rows of await Promise.all(Array.from({ length: 8 }, ask))) assert.deepEqual(Object.keys(rows[0] as object).at(-1), 'note')
})
