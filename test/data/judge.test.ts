/** Every verdict rests on what a real Postgres did; the truths were measured on Postgres 15 by means of their own (bench/ddl/measure.ts). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type pg from 'pg'
import { systemRandom } from '../../src/base/index.ts'
import { readDirectives } from '../../src/data/judge/directives.ts'
import { benchOn, type Judged, judgeFile } from '../../src/data/judge/judge.ts'
import { parseStatements, sqlText } from '../../src/data/judge/parse.ts'
import { withScratch } from '../../src/data/judge/scratch.ts'
import { rules } from '../../src/data/judge/verdict.ts'
import { testServer } from '../../src/testing/server.ts'

interface Truth { id: string; ddl: string; setup: string | null; locks: Record<string, string> | null; strongest: string | null; file_replaced: string[]; table_rewrite: boolean; verify_scan: boolean; index_builds: number; must_run_outside_transaction: boolean; blocks_reads: boolean | null; blocks_writes: boolean | null }

const folder = join(import.meta.dirname, '../../bench/ddl')
const schema = readFileSync(join(folder, 'schema.sql'), 'utf8')
const truths = ['given.jsonl', 'truth.jsonl'].flatMap((file) => readFileSync(join(folder, file), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Truth))
const nothing = { allow: new Map<string, string>(), contract: undefined }

async function onScratch<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { primary } = await testServer()
  return withScratch({ ...primary, database: 'postgres' }, systemRandom, work)
}

/** Judges a text on the schema as it was measured, which is made anew. */
async function judge(client: pg.Client, sql: string, { setup = '', on = schema, directives = nothing }: { setup?: string | null; on?: string; directives?: typeof nothing } = {}): Promise<Judged[]> {
  await client.query('drop schema public cascade; create schema public; set search_path to public')
  await client.query(on)
  if (setup) await client.query(setup)
  return judgeFile(await benchOn(client), await parseStatements(sql, 'a.sql'), directives)
}

test('what was measured is what the judge says, and no rewrite, scan or index build that blocks is ever safe', async () => {
  const halves = [0, 1].map((half) => truths.filter((_, nth) => nth % 2 === half))
  await Promise.all(halves.map((half) => onScratch(async (client) => {
    for (const truth of half) {
      const [judged] = await judge(client, truth.ddl, truth)
      assert.ok(judged, truth.id)
      const { lock, locks, blocksReads, blocksWrites, rewrite, scan, indexBuilds, outsideTransaction, verdict, remedy } = judged
      const given = truth.locks === null ? { lock: null } : { lock: truth.strongest, locks: truth.locks, blocksReads: truth.blocks_reads, blocksWrites: truth.blocks_writes ?? false, indexBuilds: truth.index_builds }
      const said = truth.locks === null ? { lock: null } : { lock, locks, blocksReads, blocksWrites, indexBuilds }
      assert.deepEqual({ ...said, rewrite, scan, outsideTransaction }, { ...given, rewrite: truth.table_rewrite || truth.file_replaced.length > 0, scan: truth.verify_scan, outsideTransaction: truth.must_run_outside_transaction }, truth.id)
      const blocks = truth.blocks_writes ?? truth.file_replaced.length > 0
      if (blocks && (truth.table_rewrite || truth.file_replaced.length > 0 || truth.verify_scan)) assert.notEqual(verdict, 'safe', truth.id)
      if (verdict !== 'safe') assert.notEqual(remedy, '', truth.id)
    }
  })))
})

test('verdicts', async () => {
  const expected: [string, Judged['verdict'], Judged['rule']][] = [
    ['alter table customers add column x text', 'safe', null], ['alter table customers add column x int not null', 'unsafe', 'not-null'], ['truncate orders', 'contract', 'contract'],
    ['alter table orders alter column note drop default', 'safe', null], ['drop function if exists nothing()', 'contract', 'contract'], [`alter type mood rename value 'a' to 'z'`, 'contract', 'contract'],
    ['drop index customers_n', 'safe', null], ['drop index mvu', 'contract', 'contract'], ['alter table customers add constraint n_nn check (true)', 'invalid', 'invalid'],
    ['update orders set note = null', 'unsafe', 'bulk-write'], [`update orders set note = null where total > 3 and id in (1, 2)`, 'safe', null], ['delete from orders o where o.id = 7', 'safe', null], ['delete from orders where id > 7', 'unsafe', 'bulk-write'],
    ['update orders o set note = c.name from customers c where c.id = o.customer_id', 'unsafe', 'bulk-write'], ['lock table orders in share mode', 'unsafe', 'lock-table'],
    ['do $$ begin alter table customers alter column n type bigint; end $$', 'unsafe', 'rewrite'], ['create table fresh (id int primary key); create index on fresh (id); update fresh set id = 1', 'safe', null],
    ['drop database postgres', 'unsafe', 'cluster-wide'], ['alter system set work_mem = 1', 'unsafe', 'cluster-wide'], ['drop role nobody', 'unsafe', 'cluster-wide'], [`copy orders from stdin`, 'unsafe', 'server-files'], [`copy orders to program 'sh'`, 'unsafe', 'server-files'],
    ['commit', 'unsafe', 'transaction'], ['alter table nowhere add column x int', 'invalid', 'invalid'], ['select pg_sleep(0)', 'safe', null],
    ['reindex table concurrently customers', 'safe', null], ['alter table orders alter column id add generated always as identity', 'contract', 'contract'], ['revoke select on orders from public', 'contract', 'contract'],
    [`alter table customers add column x int generated always as (n) virtual`, 'safe', null],
  ]
  await verdicts(expected)
})

/** Of the last statement of each text. */
async function verdicts(expected: readonly [sql: string, verdict: Judged['verdict'], rule: Judged['rule'], setup?: string][]): Promise<void> {
  await onScratch(async (client) => {
    for (const [sql, verdict, rule, setup] of expected) assert.deepEqual((await judge(client, sql, { setup: setup ?? '' })).map((one) => [one.verdict, one.rule]).at(-1), [verdict, rule], sql)
  })
}

const [domain, partitioned] = ['create domain d as int; create table du (id int primary key, v d); insert into du values (1, 1)', `create table ptd partition of ptab default; insert into ptd values (1, '2030-01-01')`]

test('a scan that no message of the server tells is seen all the same', async () => {
  await verdicts([
    [`create table p26 partition of ptab for values from ('2026-01-01') to ('2027-01-01')`, 'unsafe', 'scan', partitioned], [`create table p26 partition of ptab for values from ('2026-01-01') to ('2027-01-01')`, 'safe', null],
    ['alter domain d add constraint c check (value > 0)', 'unsafe', 'scan', domain], ['alter domain d set not null', 'unsafe', 'scan', domain], ['alter domain d add constraint c check (value > 0) not valid', 'safe', null, domain],
    ['alter domain d validate constraint c', 'unsafe', 'scan', `${domain}; alter domain d add constraint c check (value > 0) not valid`], ['alter domain d add constraint c check (value > 0)', 'safe', null, 'create domain d as int'],
    ['do $$ begin alter table orders add column x int; perform count(*) from customers; end $$', 'unsafe', 'scan'], ['do $$ begin set local client_min_messages = error; alter table orders alter note set not null; end $$', 'unsafe', 'setting'],
    ['create table fresh as select * from orders', 'safe', null], ['create materialized view fresh as select * from orders', 'safe', null], ['alter table orders validate constraint k', 'safe', null, 'alter table orders add constraint k foreign key (customer_id) references customers not valid'],
  ])
})

test('what takes a protection away is refused, however it is said', async () => {
  const quiet = 'create function quiet() returns void language sql set lock_timeout = 0 as $$ select $$'
  await verdicts([
    ...['set lock_timeout = 0', 'set local lock_timeout to default', 'reset lock_timeout', 'reset all', 'discard all', `select set_config('lock_timeout', '0', false)`, `select set_config('lock_' || 'timeout', '0', true)`, `update pg_settings set setting = '0' where name = 'lock_timeout'`,
      'do $$ begin set local lock_timeout = 0; end $$', `do $$ begin set local lock_timeout = 0; alter table orders add column x int; set local lock_timeout = 59999; end $$`, `do $$ begin perform set_config('lock_' || 'timeout', '0', true); end $$`,
      'set session_replication_role = replica', `set statement_timeout = '1d'`, `set idle_in_transaction_session_timeout = '1d'`, 'set row_security = off', `set deadlock_timeout = '1d'`].map((sql): [string, 'unsafe', 'setting'] => [sql, 'unsafe', 'setting']),
    ['select quiet()', 'unsafe', 'setting', quiet], [quiet, 'safe', null], ['set statement_timeout = 0', 'safe', null], [`set maintenance_work_mem = '64MB'`, 'safe', null], ['set client_min_messages = warning', 'safe', null],
  ])
})

test('rows are counted as changed or locked whatever the statement that does it looks like', async () => {
  const writer = (body: string) => `create function f() returns void language sql as $$ ${body} $$`
  const child = 'create table kid (id int primary key, c bigint references customers on delete cascade); create index on kid (c)'
  const writes = (body: string) => `create function t() returns trigger language plpgsql as $$ begin ${body}; return new; end $$; create trigger t before insert on orders for each row execute function t()`
  await verdicts([
    ['insert into orders (id) values (-1)', 'unsafe', 'bulk-write', writes('update customers set n = n')], ['insert into orders (id) values (-1)', 'safe', null, writes('update customers set n = n where id = new.id')], ['prepare p as update orders set note = null; execute p', 'unsafe', 'bulk-write'],
    ['insert into p2 select 1, null from f()', 'unsafe', 'bulk-write', writer('update orders set note = null where id > 7')], ['delete from customers where id = 3', 'safe', null, child], ['insert into kid select id, id from customers', 'safe', null, child], ['delete from customers', 'unsafe', 'bulk-write', child],
    ...['with gone as (delete from orders returning id) select count(*) from gone', `do $$ begin execute 'update orders set note = null'; end $$`, 'do $$ begin update orders set note = null; end $$', 'explain analyze update orders set note = null', 'select * from orders for update',
      'do $$ declare r record; begin for r in select * from customers loop update orders set note = r.name where customer_id = r.id; end loop; end $$', 'do $$ begin perform from orders for share; end $$', 'insert into orders select * from orders on conflict (id) do update set note = excluded.note',
      'create table fresh as with gone as (delete from orders returning *) select * from gone'].map((sql): [string, 'unsafe', 'bulk-write'] => [sql, 'unsafe', 'bulk-write']),
    ...['update orders set note = null', 'update orders set note = null where id > 7', 'select from orders for update'].map((body): [string, 'unsafe', 'bulk-write', string] => ['select f()', 'unsafe', 'bulk-write', writer(body)]),
    ['with gone as (delete from orders where id = 7 returning id) select count(*) from gone', 'safe', null], ['explain update orders set note = null', 'safe', null], ['select * from orders where id = 7 for update', 'safe', null], ['select * from orders limit 1 for update skip locked', 'safe', null],
    ['do $$ begin if not exists (select from orders where id = -1) then insert into orders (id) values (-1); end if; update orders set note = null where id = 7; end $$', 'safe', null], ['insert into orders (id) values (-1) on conflict (id) do update set note = null', 'safe', null],
    ['select f()', 'safe', null, writer('insert into orders (id) values (-1)')], ['select f()', 'safe', null, writer('insert into orders (id) select -1 from customers where id = 7')], ['insert into orders (id, customer_id) values (-1, 1)', 'safe', null, 'alter table orders add foreign key (customer_id) references customers'], [`update ptab set id = 1 where ts = '2024-01-01'`, 'safe', null, 'truncate ptab; create unique index on ptab (ts)'],
  ])
})

test('what changes the meaning of a statement that a running version sends is a step of contracting', async () => {
  const [trigger, policy] = ['create trigger t before update on orders for each row execute function suppress_redundant_updates_trigger()', 'alter table orders enable row level security; create policy p on orders using (true)']
  await verdicts([
    ['create rule r as on update to orders do instead nothing', 'contract', 'contract'], ['drop rule r on orders', 'contract', 'contract', 'create rule r as on update to orders do instead nothing'], ['alter table orders force row level security', 'contract', 'contract'],
    [trigger, 'safe', null], ['drop trigger t on orders', 'contract', 'contract', trigger], ['alter table orders disable trigger t', 'contract', 'contract', trigger],
    ['drop policy p on orders', 'contract', 'contract', policy], ['create policy q on orders as restrictive using (false)', 'contract', 'contract', policy], ['create policy q on orders using (false)', 'safe', null, policy],
  ])
  await onScratch(async (client) => {
    assert.match((await judge(client, 'create schema elsewhere; alter table orders set schema elsewhere'))[1]?.reason ?? '', /^It moves the table orders to the schema elsewhere, which a running version may still use\.$/)
    await client.query('drop schema elsewhere cascade')
    const [refreshed] = await judge(client, 'refresh materialized view concurrently mv')
    assert.deepEqual([refreshed?.verdict, refreshed?.reason], ['safe', 'It makes the view anew beside the old one, whose readers go on meanwhile (ExclusiveLock): only another refresh of it waits.'])
    assert.deepEqual((await judge(client, 'refresh materialized view mv'))[0]?.rule, 'refresh')
  })
})

test('a file is tried as it is run, in one transaction', async () => {
  const sql = `alter type mood add value 'c';\nalter table orders add column m mood default 'c'`
  await onScratch(async (client) => {
    const [first, second] = await judge(client, sql)
    assert.deepEqual([first?.verdict, second?.verdict, second?.rule, second?.line], ['safe', 'invalid', 'invalid', 2])
    assert.match(second?.reason ?? '', /unsafe use of new value "c" of enum type mood/)
    assert.match(second?.remedy ?? '', /^Put it into a file of its own behind this one/)
    await judge(client, '')
    for (const file of sql.split(';\n')) assert.deepEqual((await judgeFile(await benchOn(client), await parseStatements(file, 'a.sql'), nothing)).map(({ verdict }) => verdict), ['safe'])
    assert.deepEqual((await judge(client, `create type state as enum ('a');\nalter type state add value 'b';\ncreate table fresh (s state default 'b')`)).map(({ verdict }) => verdict), ['safe', 'safe', 'safe'])
  })
})

test('what takes long under a lock that stands before it in the file is not safe', async () => {
  await onScratch(async (client) => {
    const sql = 'alter table orders add constraint k check (total >= 0) not valid;\n\nalter table orders validate constraint k'
    const [first, second] = await judge(client, sql)
    assert.deepEqual([first?.verdict, second?.verdict, second?.rule, second?.line], ['safe', 'unsafe', 'held-lock', 3])
  })
  const behind = (second: string) => `alter table orders add column x int; ${second}`
  await verdicts([
    ...['select pg_sleep(0.001)', 'select count(*) from customers', 'insert into p2 select id, null from customers', 'do $$ begin perform pg_sleep(0.001); end $$', 'create table fresh as select * from customers', 'refresh materialized view concurrently mv', 'select id from orders order by id'].map((sql): [string, 'unsafe', 'held-lock'] => [behind(sql), 'unsafe', 'held-lock']),
    ['do $$ begin alter table orders add column x int; perform pg_sleep(0.001); end $$', 'unsafe', 'held-lock'], [`do $$ begin alter table orders add column x int; perform query_to_xml('select pg_sleep(1.1)', true, true, ''); end $$`, 'unsafe', 'held-lock'],
    [behind('select from small where id = 7'), 'safe', null, 'create table small (id int primary key); insert into small values (7); analyze small'],
    ...['update orders set x = 1 where id = 7', 'select max(id) from orders', 'select from customers where id = 7', 'create table fresh (id int primary key); create index on fresh (id)', 'insert into orders (id) values (-1)'].map((sql): [string, 'safe', null] => [behind(sql), 'safe', null]),
  ])
})

test('the safe way is safe', async () => {
  const ways: [unsafe: string, way: string[], setup?: string][] = [
    ['alter table orders alter column customer_id set not null', ['alter table orders add constraint customer_id_not_null check (customer_id is not null) not valid', 'alter table orders validate constraint customer_id_not_null', 'alter table orders alter column customer_id set not null;\nalter table orders drop constraint customer_id_not_null']],
    ['alter table orders add constraint f foreign key (customer_id) references customers', ['alter table orders add constraint f FOREIGN KEY (customer_id) REFERENCES customers(id) not valid', 'alter table orders validate constraint f']],
    ['alter table orders add column seller bigint default 1 references customers', ['alter table orders add column seller bigint;\nalter table orders alter column seller set default 1;\nalter table orders add constraint orders_seller_fkey FOREIGN KEY (seller) REFERENCES customers(id) not valid', 'alter table orders validate constraint orders_seller_fkey']],
    ['create index ptab_ts on ptab (ts)', ['CREATE INDEX ptab_ts ON ONLY public.ptab USING btree (ts)', 'create index concurrently p1_ts_idx ON public.p1 USING btree (ts)', 'alter index ptab_ts attach partition p1_ts_idx']],
    ['alter table customers add constraint u unique (email)', ['create unique index concurrently u ON public.customers USING btree (email)', 'alter table customers add constraint u unique using index u']],
    ['alter table customers add column x int unique', ['alter table customers add column x integer', 'create unique index concurrently customers_x_key ON public.customers USING btree (x)', 'alter table customers add constraint customers_x_key unique using index customers_x_key']],
    ['alter table customers add column x uuid not null default gen_random_uuid()', ['alter table customers add column x uuid;\nalter table customers alter column x set default gen_random_uuid()', 'alter table customers add constraint x_not_null check (x is not null) not valid']],
    ['alter table customers alter column n type bigint', ['alter table customers add column n_new bigint;\ncreate function keep_n_new() returns trigger language plpgsql as $body$ begin new.n_new := new.n::bigint; return new; end $body$;\ncreate trigger keep_n_new before insert or update on customers for each row execute function keep_n_new()']],
    [`alter table ptab attach partition p2 for values from ('2025-01-01') to ('2026-01-01')`, [`alter table p2 add constraint attaching check ((ts IS NOT NULL) AND (ts >= '2025-01-01'::date) AND (ts < '2026-01-01'::date)) not valid`, 'alter table p2 validate constraint attaching', `alter table ptab attach partition p2 for values from ('2025-01-01') to ('2026-01-01')`]],
    ...[[`create table p25 partition of ptab for values from ('2025-01-01') to ('2026-01-01')`, ''], [`alter table ptab attach partition p2 for values from ('2025-01-01') to ('2026-01-01')`, `; alter table p2 add check (ts is not null and ts >= '2025-01-01' and ts < '2026-01-01')`]].map(([sql = '', more = '']): [string, string[], string] => [sql, [
      `alter table ptd add constraint attaching check (not ((ts IS NOT NULL) AND (ts >= '2025-01-01'::date) AND (ts < '2026-01-01'::date))) not valid`, 'alter table ptd validate constraint attaching', `${sql};\nalter table ptd drop constraint attaching`,
    ], partitioned + more]),
    ['alter domain d add constraint c check (value > 0)', ['alter domain d add constraint c check (value > 0) not valid'], domain],
    ['alter domain d set not null', ['alter domain d add constraint d_not_null check (value is not null) not valid'], domain],
  ]
  await onScratch(async (client) => {
    for (const [unsafe, way, setup = ''] of ways) {
      const [judged] = await judge(client, unsafe, { setup })
      assert.equal(judged?.verdict, 'unsafe', unsafe)
      await judge(client, '', { setup })
      for (const file of way) {
        if (!/attach partition/.test(file)) assert.ok(judged?.remedy.includes(file), `${unsafe}: the remedy has not\n${file}\nbut\n${judged?.remedy}`)
        for (const step of await judgeFile(await benchOn(client), await parseStatements(file, 'a.sql'), nothing)) assert.equal(step.verdict, 'safe', `${step.statement}: ${step.reason}`)
      }
    }
  })
})

test('what is no SQL is refused in one sentence, and nothing but comments is nothing', async () => {
  for (const text of ['', '  \n', '-- nothing yet', '/* nor /* here */ */ ;']) assert.deepEqual(await parseStatements(text, 'm/a.sql'), [], JSON.stringify(text))
  await assert.rejects(parseStatements('select 1;\nselec 2', 'm/a.sql'), { code: 'migration', message: 'The migration m/a.sql cannot be read: syntax error at or near "selec", in line 2. Correct it and start again.' })
  await assert.rejects(parseStatements('select 1;\n\\d orders', 'm/a.sql'), { code: 'migration', message: /in line 2\. Commands that begin with \\ are psql's own/ })
  assert.throws(() => sqlText(new Uint8Array([0xff, 0xfe, 0x41]), 'm/a.sql'), { code: 'migration', message: /no UTF-8 text/ })
  assert.throws(() => sqlText(new Uint8Array([0x41, 0]), 'm/a.sql'), { code: 'migration', message: /zero byte/ })
  const statements = await parseStatements('-- é\nselect 1; /* a /* b */ */ -- c\n  select \'é;\';', 'm/a.sql')
  assert.deepEqual(statements.map(({ text, line }) => [text, line]), [['select 1', 2], [`select 'é;'`, 3]])
})

test('a file says why it is right all the same, in words', () => {
  const read = (sql: string) => readDirectives(sql, 'm/a.sql', rules)
  assert.deepEqual(read('-- tenfold: allow rewrite: nobody uses it yet\n-- tenfold: contract: version 7 does without it\n\n-- tenfold: batch 50\nselect 1;\n-- tenfold: allow scan: too late for that'), { allow: new Map([['rewrite', 'nobody uses it yet']]), contract: 'version 7 does without it', batchRows: 50 })
  assert.throws(() => read('-- tenfold: allow rewrite: because'), { code: 'migration', message: /gives no reason/ })
  assert.throws(() => read('-- tenfold: allow everything: since I said so'), { code: 'migration', message: /"everything", which is no rule: use rewrite, scan/ })
  assert.throws(() => read('-- tenfold: alow rewrite: nobody uses it yet'), { code: 'migration', message: /is not understood/ })
  assert.throws(() => read('-- tenfold: batch 0'), { code: 'migration', message: /use 1 to/ })
})

test('a scratch database that a killed process left is dropped by the next one, and one in use is not', async () => {
  const { primary } = await testServer()
  const left = `tenfold_scratch_left${process.pid}`
  await onScratch(async (first) => {
    await first.query(`create database ${left}`)
    const { rows: [own] } = await first.query<{ name: string }>('select current_database() as name')
    await withScratch({ ...primary, database: 'postgres' }, systemRandom, async (second) => {
      assert.deepEqual((await second.query('select datname from pg_database where datname = any ($1)', [[left, own?.name]])).rows, [{ datname: own?.name }])
    })
  })
})
