/** Migrations of a database that is in use: judged, patient with locks, gone on with after a death, and never ahead of who still runs. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { waitFor } from '../../src/base/process.ts'
import { builtWith, leaveVersions, migrate, registerVersion, runningVersions } from '../../src/data/index.ts'
import { startTestServer } from '../../src/testing/server.ts'
import { migrated } from '../support/migrated.ts'

const quick = { lockTimeoutMs: 50, tries: 2 }
const table = 'create table a (id int primary key, n int not null default 0, note text)'

/** A process that migrates that database, killed at the test's end if it is not before. */
function migrateApart(context: TestContext, { admin, folder }: { admin: unknown; folder: string }): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=tenfold:src', join(import.meta.dirname, '../support/migrate-once.ts'), JSON.stringify({ admin, folder })], { stdio: 'ignore' })
  context.after(() => { child.kill('SIGKILL') })
  return child
}

test('what would block is refused with the safe way, and runs where the file says why; an empty database is not judged', async (context) => {
  const { write, migrate: run, rows } = await migrated(context)
  await write('001-a.sql', `${table}; alter table a add column x uuid not null default gen_random_uuid()`)
  assert.deepEqual(await run(), ['001-a.sql'])
  await write('002-b.sql', '\nalter table a add column y uuid default gen_random_uuid()')
  await write('003-c.sql', 'create index a_n on a (n)')
  await assert.rejects(run(), (error: Error & { code: string }) => {
    assert.equal(error.code, 'migration')
    for (const words of ['things/002-b.sql is refused for line 2: alter table a add column y uuid', 'It writes a anew', 'update a set y = gen_random_uuid() where y is null and $1', 'things/003-c.sql is refused for line 1', 'create index concurrently a_n ON things.a USING btree (n)', '-- tenfold: allow index-build: why']) assert.ok(error.message.includes(words), `${words}\nis not in\n${error.message}`)
    return true
  })
  assert.deepEqual(await rows(`select file from tenfold.migrations where module = 'things'`), [{ file: '001-a.sql' }])
  await write('002-b.sql', '-- tenfold: allow rewrite: the table has three rows\nalter table a add column y uuid default gen_random_uuid()')
  await write('003-c.sql', 'create index concurrently a_n on a (n)')
  assert.deepEqual(await run({ dryRun: true }), ['002-b.sql', '003-c.sql'])
  assert.deepEqual(await run(), ['002-b.sql', '003-c.sql'])
  assert.deepEqual(await rows(`select datname from pg_database where datname like 'tenfold\\_scratch%' and not exists (select from pg_stat_activity where application_name = pg_database.datname)`), [])
})

test('a file that fails on the scratch copy alone says so, and one that cannot be judged can be allowed', async (context) => {
  const { write, migrate: run } = await migrated(context)
  await write('001-a.sql', table)
  await run()
  await write('002-b.sql', `do $$ begin if not exists (select from a) then raise 'a is empty'; end if; end $$`)
  await assert.rejects(run(), { code: 'migration', message: /things\/002-b\.sql failed: a is empty, in line 1, on a scratch copy of the schema/ })
  await write('002-b.sql', `-- tenfold: allow unjudged: it looks at rows\ndo $$ begin if not exists (select from a) then raise 'a is empty'; end if; end $$`)
  await assert.rejects(run(), { code: 'migration', message: /things\/002-b\.sql failed: a is empty\. Nothing of it was kept/ })
  await write('002-b.sql', 'drop database postgres')
  await assert.rejects(run(), { code: 'migration', message: /changes more than this database/ })
  await write('002-b.sql', 'commit; drop table a')
  await assert.rejects(run(), { code: 'migration', message: /A file is one transaction already/ })
})

test('each statement waits for its locks as long as ours says, whatever the one before it has set; and what a file sets ends with it', { timeout: 120_000 }, async (context) => {
  const { write, migrate: run, rows, connect } = await migrated(context)
  await write('001-a.sql', table)
  await run()
  const reader = await connect()
  await reader.query('begin; select from things.a')
  const apart = (sql: string) => `do $$ begin if current_database() not like 'tenfold_scratch%' then ${sql} end if; end $$` // the trial does not see it
  await write('002-b.sql', `${apart(`perform set_config('lock_' || 'timeout', '0', true);`)}; alter table a add column x int`)
  await assert.rejects(run({ locks: quick }), { code: 'migration', message: /things\/002-b\.sql got no lock in 2 tries of 50 ms/ })
  await reader.query('commit')
  await write('003-c.sql', `-- tenfold: allow setting: rows come from elsewhere\nset session_replication_role = replica; create table seen as select current_setting('session_replication_role') as role`)
  await write('004-d.sql', `insert into seen select current_setting('session_replication_role')`)
  assert.deepEqual(await run(), ['002-b.sql', '003-c.sql', '004-d.sql'])
  assert.deepEqual(await rows('select role from things.seen order by role'), [{ role: 'origin' }, { role: 'replica' }])
})

test('what cannot be done in the transaction of its file is refused with the way to do it', async (context) => {
  const { write, migrate: run } = await migrated(context)
  await write('001-a.sql', `${table}; create type mood as enum ('good')`)
  await run()
  await write('002-b.sql', `alter type mood add value 'bad'; update a set note = 'bad'::mood where id = 1`)
  await assert.rejects(run(), { code: 'migration', message: `The migration things/002-b.sql failed: unsafe use of new value "bad" of enum type mood (behind the statements before it, in the file's one transaction), in line 1, on a scratch copy of the schema. Nothing of it was kept. Put it into a file of its own behind this one: each file is a transaction of its own, and what this one makes is committed by then.` })
  await write('002-b.sql', `alter type mood add value 'bad'`)
  await write('003-c.sql', `update a set note = 'bad'::mood where id = 1`)
  assert.deepEqual(await run(), ['002-b.sql', '003-c.sql'])
})

test('a file that ends its own transaction is told, also where nothing is judged', async (context) => {
  const { write, migrate: run } = await migrated(context)
  await write('001-a.sql', `${table}; commit; create table b (id int)`)
  await assert.rejects(run(), { code: 'migration', message: /things\/001-a\.sql ends its transaction: take its commit or rollback out/ })
})

test('files whose schema cannot be made anew are refused, unless each says why it is safe', async (context) => {
  const { write, migrate: run, rows } = await migrated(context)
  await write('001-a.sql', `do $$ begin if current_database() like 'tenfold_scratch%' then raise 'not here'; end if; end $$; ${table}`)
  await run()
  await write('002-b.sql', 'alter table a add column x int')
  await assert.rejects(run(), { code: 'migration', message: /things\/001-a\.sql, which was applied, does not build its tables anew \(not here\)\. Say in each pending file -- tenfold: allow unjudged/ })
  await write('002-b.sql', '-- tenfold: allow unjudged: it adds one nullable column\nalter table a add column x int')
  assert.deepEqual(await run(), ['002-b.sql'])
  assert.equal((await rows(`select from information_schema.columns where table_name = 'a' and column_name = 'x'`)).length, 1)
})

test('a lock is waited for a moment at a time: it is had once it is free, and who holds it is named when the tries are used up', async (context) => {
  const { write, migrate: run, connect, rows } = await migrated(context)
  await write('001-a.sql', table)
  await run()
  const reader = await connect()
  await reader.query('begin; select from things.a')
  await write('002-b.sql', 'alter table a add column x int')
  await assert.rejects(run({ locks: quick }), { code: 'migration', message: /things\/002-b\.sql got no lock in 2 tries of 50 ms: the oldest transaction is of process \d+ .*select from things\.a/ })
  assert.deepEqual(await rows(`select from information_schema.columns where table_name = 'a' and column_name = 'x'`), [])
  const waits: string[] = []
  const running = run({ locks: { lockTimeoutMs: 50, tries: 20 }, onStatus: (text) => { waits.push(text) } })
  assert.ok(await waitFor(() => waits.length > 1 || undefined, { timeoutMs: 60_000 }))
  await reader.query('commit')
  assert.deepEqual(await running, ['002-b.sql'])
})

test('a new table of a sharded module locks none of its others', async (context) => {
  const { write, migrate: run, connect } = await migrated(context, { shardKey: 'ownerId' })
  await write('001-a.sql', 'create table a (bucket smallint not null, id uuid, primary key (bucket, id))')
  await run()
  const reader = await connect()
  await reader.query('begin; select from things.a')
  await write('002-b.sql', 'create table b (bucket smallint not null, id uuid, primary key (bucket, id))')
  assert.deepEqual(await run({ locks: quick }), ['002-b.sql'])
})

test('an index that a killed process left half-built is built again; two processes at once do not wait for each other', async (context) => {
  const { write, migrate: run, connect, rows, admin, folder } = await migrated(context)
  await write('001-a.sql', `${table}; insert into a (id) select generate_series(1, 100)`)
  await run()
  const other = await connect()
  await other.query('begin; update things.a set n = 1 where id = 1') // the index waits for it
  await write('002-index.sql', 'set local statement_timeout = 0; create index concurrently a_n on a (n); create index concurrently a_note on a (note)')
  const child = migrateApart(context, { admin, folder })
  const stuck = await waitFor(async () => (await rows<{ pid: number }>(`select a.pid from pg_stat_activity a join pg_index i on not i.indisvalid and i.indexrelid = to_regclass('things.a_n') where query like 'create index%' and wait_event_type = 'Lock'`))[0], { timeoutMs: 60_000 })
  assert.ok(stuck)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await rows(`select pg_terminate_backend(${stuck.pid}, 10000)`)
  assert.deepEqual(await rows(`select statements, begun from tenfold.unfinished`), [{ statements: 1, begun: true }])
  await other.query('commit')
  assert.deepEqual((await Promise.all([run(), run()])).flat(), ['002-index.sql'])
  assert.deepEqual(await rows(`select indexrelid::regclass::text as name, indisvalid as valid from pg_index where indexrelid::regclass::text in ('things.a_n', 'things.a_note') order by 1`), [{ name: 'things.a_n', valid: true }, { name: 'things.a_note', valid: true }])
  assert.deepEqual(await rows('select from tenfold.unfinished'), [])
  await write('003-index.sql', 'create index concurrently on a (n)')
  await assert.rejects(run(), { code: 'migration', message: /makes an index without a name in line 1/ })
  await write('003-index.sql', 'create unique index concurrently a_once on a (note)')
  await rows(`update things.a set note = 'the same'`)
  await assert.rejects(run(), { code: 'migration', message: /failed in line 1: could not create unique index/ })
  assert.deepEqual(await rows(`select from pg_class where relname = 'a_once'`), [], 'nothing is left of it')
})

test('a partition that a killed process left half-detached is detached', async (context) => {
  const { write, migrate: run, connect, rows, admin, folder } = await migrated(context)
  await write('001-a.sql', 'create table a (id int) partition by range (id); create table a1 partition of a for values from (0) to (9); create table a2 partition of a for values from (9) to (99)')
  await run()
  const reader = await connect()
  await reader.query('begin; select from things.a')
  await write('002-detach.sql', '-- tenfold: contract: those rows are archived elsewhere\nalter table a detach partition a1 concurrently')
  const child = migrateApart(context, { admin, folder })
  const stuck = await waitFor(async () => (await rows<{ pid: number }>(`select pid from pg_stat_activity, pg_inherits where inhdetachpending and query like 'alter table a detach%' and wait_event_type = 'Lock'`))[0], { timeoutMs: 60_000 })
  assert.ok(stuck)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await rows(`select pg_terminate_backend(${stuck.pid}, 10000)`)
  await reader.query('commit')
  assert.deepEqual(await run(), ['002-detach.sql'])
  assert.deepEqual(await rows('select inhrelid::regclass::text as name, inhdetachpending as pending from pg_inherits'), [{ name: 'things.a2', pending: false }])
})

test('a backfill that is killed goes on behind its last batch: each row is changed once', async (context) => {
  const { write, migrate: run, rows, admin, folder, connect } = await migrated(context)
  await write('001-a.sql', `create table a (region text, id int, n int not null default 0, primary key (region, id)); insert into a select case when g % 3 = 0 then 'eu''s' else 'us' end, g from generate_series(1, 20000) g; analyze a`)
  await run()
  const holder = await connect()
  await holder.query(`begin; select from things.a where region = 'us' and id = 10000 for update`) // the batch with this row waits
  await write('002-fill.backfill.sql', '-- tenfold: batch 500\nupdate a as rows_of_a set n = n + 1 where region is not null and $1 -- each once')
  const child = migrateApart(context, { admin, folder })
  const there = await waitFor(async () => (await rows<{ rows: string }>(`select rows from tenfold.unfinished where rows > 5000 and exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like 'update a %')`))[0], { timeoutMs: 60_000 })
  assert.ok(there)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await holder.query('commit')
  const told: string[] = []
  assert.deepEqual(await run({ onStatus: (text) => { told.push(text) } }), ['002-fill.backfill.sql'])
  assert.deepEqual(await rows('select n, count(*)::int as rows from things.a group by n'), [{ n: 1, rows: 20_000 }])
  assert.match(told.at(-1) ?? '', /things\/002-fill\.backfill\.sql {2}\[#{20}\] 100 % .* 20,000 changed in all/)
  await write('003-new.sql', 'create table b (id int, n int)')
  await write('004-rows.backfill.sql', `insert into b select o.id, o.n from a o left join b on b.id = o.id where o.region = 'us' and b.id is null and $1 returning *`)
  assert.deepEqual(await run(), ['003-new.sql', '004-rows.backfill.sql'])
  assert.deepEqual(await rows('select count(*)::int as rows from things.b'), [{ rows: 13_334 }])
  await write('005-bad.backfill.sql', '-- tenfold: batch 9000\nupdate a set n = 1 / (n - 5) where $1')
  await rows('update things.a set n = 5 where id = 19999')
  await assert.rejects(run(), { code: 'migration', message: /005-bad\.backfill\.sql failed in the batch behind the key us, \d+: division by zero\. The batches before it stay done/ })
  await write('005-bad.backfill.sql', 'update a set n = 2')
  await assert.rejects(run(), { code: 'migration', message: /005-bad\.backfill\.sql must be one UPDATE, DELETE or INSERT \.\.\. SELECT with \$1 once in its condition/ })
})

test('a backfill waits while a replica is too far behind', async (context) => {
  const server = await startTestServer({ applyDelayMs: 0 })
  const { write, migrate: run, rows } = await migrated(context, { server: server.primary })
  context.after(() => server.stop()) // behind the database
  await write('001-a.sql', `${table}; insert into a (id) select generate_series(1, 3000)`)
  await run()
  const replica = new pg.Client({ ...server.replica, database: 'postgres' })
  await replica.connect()
  await replica.query('select pg_wal_replay_pause()')
  await write('002-fill.backfill.sql', 'update a set n = 1 where $1')
  const told: string[] = []
  const running = run({ lag: { bytes: 1_000, seconds: 60 }, onStatus: (text) => { told.push(text) } })
  assert.ok(await waitFor(() => told.some((text) => /waits: .* behind/.test(text)) || undefined, { timeoutMs: 60_000 }))
  assert.deepEqual(await rows('select from things.a where n = 1'), [])
  await replica.query('select pg_wal_replay_resume()')
  await replica.end()
  assert.deepEqual(await running, ['002-fill.backfill.sql'])
})

test('a contract step waits for older versions: refused, or left for later at a start; afterwards they are not started any more', async (context) => {
  const { write, migrate: run, connect, rows, options } = await migrated(context)
  await write('001-a.sql', table)
  await run()
  const old = await connect()
  const older = { process: '00000000-0000-4000-8000-000000000001', version: '1.4', host: 'web-1', pid: 77, files: await builtWith(options.modules) }
  await registerVersion(old, older)
  await write('002-drop.sql', 'alter table a drop column note')
  await assert.rejects(run(), { code: 'migration', message: /It drops the column note of a, which a running version may still use.*tenfold: contract: why/s })
  await write('002-drop.sql', '-- tenfold: contract: version 1.5 does without notes\nalter table a drop column note')
  await assert.rejects(run(), { code: 'migration', message: /things\/002-drop\.sql takes away what older versions use, and one process built without it still runs \(version 1\.4, process 77 on web-1\)/ })
  const told: string[] = []
  assert.deepEqual(await run({ starting: true, onStatus: (text) => { told.push(text) } }), [], 'a new process starts without it')
  assert.match(told.join(), /002-drop\.sql is left for later/)
  const fresh = { ...older, process: '00000000-0000-4000-8000-000000000002', version: '1.5', files: await builtWith(options.modules) }
  await registerVersion(old, fresh)
  assert.deepEqual((await runningVersions(old)).map(({ version }) => version), ['1.4', '1.5'])
  await registerVersion(old, older)
  await rows(`update tenfold.versions set seen_at = now() - interval '31 seconds' where version = '1.4'`) // killed half a minute ago
  assert.deepEqual(await run(), ['002-drop.sql'])
  await registerVersion(old, fresh)
  await assert.rejects(registerVersion(old, older), { code: 'migration', message: /older than its database: things\/002-drop\.sql has taken away/ })
  assert.deepEqual((await runningVersions(old)).map(({ version }) => version), ['1.5'])
  await leaveVersions(old, fresh.process)
  assert.deepEqual(await runningVersions(old), [])
})

test('whoever starts while a contract step is under way waits for its end, and then finds out', async (context) => {
  const { write, migrate: run, connect, rows, options } = await migrated(context)
  await write('001-a.sql', table)
  await run()
  const late = { process: '00000000-0000-4000-8000-000000000003', version: '1.4', host: 'web-1', pid: 78, files: await builtWith(options.modules) }
  await write('002-drop.sql', `-- tenfold: contract: version 1.5 does without notes\nselect pg_advisory_xact_lock(42); alter table a drop column note`)
  const [gate, starting] = [await connect(), await connect()]
  await gate.query('select pg_advisory_lock(42)')
  const contracting = run({ locks: { lockTimeoutMs: 60_000, tries: 1 } })
  assert.ok(await waitFor(async () => (await rows(`select from pg_locks where locktype = 'relation' and relation = 'tenfold.versions'::regclass and mode = 'ShareRowExclusiveLock' and granted`)).length > 0 || undefined, { timeoutMs: 60_000 }))
  const registering = registerVersion(starting, late).then(() => 'serves', (error: Error) => error.message)
  assert.ok(await waitFor(async () => (await rows(`select from pg_locks where locktype = 'relation' and relation = 'tenfold.versions'::regclass and not granted`)).length > 0 || undefined, { timeoutMs: 60_000 }))
  await gate.query('select pg_advisory_unlock(42)')
  assert.deepEqual(await contracting, ['002-drop.sql'])
  assert.match(await registering, /older than its database: things\/002-drop\.sql/)
})

test('a version that is older than its database starts, and changes nothing', async (context) => {
  const { write, remove, migrate: run, options } = await migrated(context)
  await write('001-a.sql', table)
  await write('002-b.sql', 'alter table a add column x int')
  await run()
  await remove('002-b.sql')
  assert.deepEqual(await migrate({ ...options, starting: true }), [])
  await assert.rejects(run(), { code: 'migration', message: /002-b\.sql was applied to this database and is missing now/ })
})

test('a database that is made anew gets what stands outside a transaction too, and a file that fails behind it does not take it along', async (context) => {
  const { write, migrate: run, rows } = await migrated(context)
  await write('001-a.sql', table)
  await write('002-index.sql', 'create index concurrently a_n on a (n)')
  await write('003-fill.backfill.sql', 'delete from a where n > 3 and $1')
  await write('004-b.sql', 'insert into nowhere values (1)')
  assert.deepEqual(await run({ dryRun: true }), ['001-a.sql', '002-index.sql', '003-fill.backfill.sql', '004-b.sql'])
  assert.deepEqual(await rows(`select from pg_namespace where nspname = 'things'`), [])
  await assert.rejects(run(), { code: 'migration', message: /004-b\.sql failed: relation "nowhere" does not exist/ })
  await write('004-b.sql', 'select 1')
  assert.deepEqual(await run(), ['004-b.sql'])
  assert.deepEqual(await rows(`select indisvalid as valid from pg_index where indexrelid = to_regclass('things.a_n')`), [{ valid: true }])
})
