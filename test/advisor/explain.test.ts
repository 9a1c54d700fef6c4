/** What is wrong with a plan is said of the table it is wrong with, in figures, with a remedy; and nothing of one that is right. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connected, countedStatements, explainStatement, nameIn, sessionAs } from '../../src/ops/index.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { connectionOf } from '../../src/data/index.ts'
import { testDatabase } from '../../src/testing/index.ts'
import { dataDirectory } from '../process/shop.ts'
import { advised } from './support.ts'

const schema = `
  create table people(id int primary key, city text, country text, born timestamptz, note text);
  insert into people select g, 'city ' || g % 100, 'country ' || g % 100 / 10, '2000-01-01'::timestamptz + g * interval '1 hour', repeat('n', 100) from generate_series(1, 20000) g;
  create table visits(id int primary key, person int, at timestamptz); insert into visits select g, g % 20000 + 1, now() from generate_series(1, 20000) g;
  create index visits_person on visits (person); create index people_born on people (born);`

test('each of what can be wrong is found, with its figures', async (context) => {
  const { client } = await advised(context, schema)
  await client.query('set max_parallel_workers_per_gather = 0')
  const session = await sessionAs(client)
  const found = async (text: string, settings = '') => {
    if (settings) await client.query(settings)
    const { findings, wasRun } = await explainStatement(session, text, { run: true })
    if (settings) await client.query('reset all; set max_parallel_workers_per_gather = 0')
    assert.ok(wasRun, text)
    return Object.fromEntries(findings.map(({ kind, says }) => [kind, says]))
  }
  const right = await found('select * from people where id = 7')
  assert.deepEqual(right, {})

  const scan = await found(`select * from people where note = 'x'`)
  assert.match(scan['sequential-scan'] ?? '', /^It reads all of people \(20,000 rows, \d+(\.\d)? MB\) to keep 0 rows \(< 1 %\), those with \(people\.note = 'x'::text\): no index serves that/)
  assert.match(scan['buffers'] ?? '', /^It went through \d+ pages \(\d+(\.\d)? MB\) for 0 rows/)
  assert.match((await found(`select * from people where born > '2000-03-01'`, 'set enable_indexscan = off; set enable_bitmapscan = off'))['sequential-scan'] ?? '', /so many that reading all is right/)

  assert.match((await found('select * from people order by note, city', `set work_mem = '64kB'`))['sort-on-disk'] ?? '', /^Sorting by people\.note, people\.city did not fit into work_mem \(64kB\) and went to disk \(\d+(\.\d)? MB\)/)
  assert.match((await found('select note || id, count(*) from people group by 1', `set work_mem = '64kB'; set hash_mem_multiplier = 1; set enable_sort = off`))['hash-in-parts'] ?? '', /^Grouping did not fit into work_mem \(64kB\) and was done in \d+ parts by way of the disk \(\d/)
  assert.match((await found(`select count(note) from people where born > '2001-01-01'`, `set work_mem = '64kB'; set enable_seqscan = off; set enable_indexscan = off`))['lossy-bitmap'] ?? 'none', /^none$|^The map of matching rows of people/)

  // A city is of one country: Postgres takes the two for independent.
  await client.query('analyze')
  assert.match((await found(`select * from people where city in ('city 1', 'city 2', 'city 3', 'city 4', 'city 5', 'city 6', 'city 7', 'city 8') and country = 'country 9'`))['estimate'] ?? '', /^people: \d+ rows were expected, 1 came \(\d+ times fewer\), for .*country 9.*: its columns hang together.*create statistics/)
  assert.match((await found(`select * from people where upper(city) like 'CITY%'`))['estimate'] ?? '', /nothing is known of the expression's values/)
  await client.query('create table fresh (x int); insert into fresh select 1 from generate_series(1, 50000)')
  assert.match((await found('select * from fresh where x = 1'))['estimate'] ?? '', /it was never analyzed: run analyze fresh/)

  assert.match((await found('select count(v.at) from people p join visits v on v.person = p.id', 'set enable_hashjoin = off; set enable_mergejoin = off; set enable_memoize = off; set enable_material = off'))['nested-loop'] ?? '', /^It goes through \w+ 20,000 times, once for each row of what stands before \(20,000 were expected\), which takes \d+/)
  assert.match((await found(`select * from people where born > '2000-01-02' and note = 'x' order by born limit 5`, 'set enable_seqscan = off; set enable_sort = off'))['filtered-late'] ?? '', /^people_born finds 19,9\d\d rows of people, of which 0 are kept, those with \(people\.note/)
  assert.match((await found('select * from people order by id limit 5 offset 5000'))['skipped-rows'] ?? '', /^5,000 rows are made and thrown away before the page begins \(OFFSET\)/)
  await client.query('update people set note = note')
  assert.match((await found('select count(*) from people where id < 15000', 'set enable_seqscan = off; set enable_bitmapscan = off'))['heap-fetches'] ?? '', /^people_pkey holds all that is asked for, yet .* vacuum it/)
})

test('a statement that writes is planned and not run; parameters are values that are there, of one row', async (context) => {
  const { client } = await advised(context, schema)
  const session = await sessionAs(client)
  const remove = await explainStatement(session, 'delete from people where id = $1', { run: true })
  assert.deepEqual([remove.wasRun, remove.notRun], [false, 'it writes, and only what reads is run here'])
  const hidden = await explainStatement(session, 'with gone as (delete from people returning id) select * from gone', { run: true })
  assert.match(hidden.notRun ?? '', /read-only transaction/)
  assert.deepEqual((await client.query('select count(*)::int as n from people')).rows, [{ n: 20_000 }])
  const read = await explainStatement(session, 'select * from people where city = $1 and country = $2 and born between $3 and $4 order by id limit $5', { run: true })
  assert.ok(read.wasRun && read.values?.length === 5 && read.summary.rowsActual !== undefined, JSON.stringify(read.values))
  assert.equal((await client.query('select count(*)::int > 0 as fits from people where city = $1 and country = $2', read.values.slice(0, 2))).rows[0].fits, true)
  const open = await explainStatement(session, 'select * from people where note like $1', { run: true })
  assert.deepEqual([open.wasRun, open.values, open.notRun], [false, undefined, 'no values are known for all of its parameters'])
  assert.equal((await explainStatement(session, 'select * from people where id = $1', { run: false })).wasRun, false)
})

test('what is not counted, may not be seen, or cannot be reached, is told with a remedy', async (context) => {
  await using database = await testDatabase()
  const client = await connected(connectionOf(database.url, 'url'))
  context.after(() => client.end())
  await assert.rejects(countedStatements([client], 'shop'), { code: 'start', message: /^Statements are not counted on shop: as an administrator run create extension pg_stat_statements/ })
  await client.query(`create extension pg_stat_statements; reset pg_stat_statements.track; select count(*) from pg_type where typname = 'x' /*action='catalogue.byId'*/`)
  await client.query('create table t (x int)')
  await database.query(`select x from t where x = 3 /*action='things.read'*/`)
  const counted = (await countedStatements([client], 'shop')).find(({ name }) => name === 'things.read')
  assert.deepEqual([counted?.name, counted?.calls, counted?.rows], ['things.read', 1, 0])
  await client.query(`create role stranger_${process.pid} login password 'x'`)
  context.after(() => database.query(`drop role stranger_${process.pid}`).catch(() => {}))
  const stranger = await connected({ ...connectionOf(database.url, 'url'), connectionString: undefined, user: `stranger_${process.pid}`, password: 'x' })
  // A busy server forgets: what it has of others is counted anew until it shows.
  const asStranger = async () => { for (let tries = 0; tries < 50; tries++) { await database.query(`select x from t where x = 3 /*action='things.read'*/`); await countedStatements([stranger], 'shop') } }
  await assert.rejects(asStranger(), { code: 'start', message: /may not see the statements of others on shop: .*grant pg_read_all_stats/ })
  await stranger.end()
  await assert.rejects(connected({ host: '127.0.0.1', port: 1, user: 'a', password: 'b', database: 'shop' }), { code: 'database-unavailable', message: /^The database shop at 127\.0\.0\.1:1 cannot be reached \(connect ECONNREFUSED/ })

  const server = await startPostgres({ directory: await dataDirectory(context), durable: false, settings: { shared_preload_libraries: '' } })
  context.after(() => server.stop())
  const bare = await connected({ ...server, database: 'postgres' })
  await bare.query('create extension pg_stat_statements')
  await assert.rejects(countedStatements([bare], 'shop'), { code: 'start', message: /put pg_stat_statements into shared_preload_libraries and restart/ })
  await bare.end()
})

test('who sends a statement stands in it', () => {
  assert.equal(nameIn(`select "a" from "t" /*action='orders.byId'*/`), 'orders.byId')
  assert.equal(nameIn('update tenfold.records set answer = $4'), 'tenfold (records)')
  assert.equal(nameIn('select set_config($4, $1, $5)'), 'tenfold (opening)')
  assert.equal(nameIn('select * from people'), undefined)
})
