import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type pg from 'pg'
import { type Random, seededRandom } from '../../base/index.ts'
import { waitFor } from '../../base/process.ts'
import { type Connection, migrate } from '../../data/index.ts'
import { type PostgresServer, startPostgres } from '../rig/postgres.ts'
import { openSession } from './copy.ts'
import { follow } from './follow.ts'
import { moveRows } from './move.ts'
import { sumOf, tablesOf } from './tables.ts'

/** Tables of every kind that a copy by changes could get wrong. */
const schema = `
  create schema odd; set search_path = odd;
  create type mood as enum ('glad', 'not so');
  create table kinds (id bigint generated always as identity primary key, n numeric, at timestamptz, data jsonb, raw bytea, list text[], mood mood, price int, twice int generated always as (price * 2) stored, large text);
  create table "Keyless ""One""" (word text, note json);
  create table tree (id int primary key, parent int references tree);
  create table swaps (id int primary key, place int unique deferrable initially deferred);
  create table only_keys (a int, b int, primary key (a, b));
  create table parted (id int, region text, primary key (id, region)) partition by list (region);
  create table parted_north partition of parted for values in ('north');
  create table parted_rest partition of parted default;
  create table journal (id int primary key, what text);
  create table noisy (id int primary key);
  create function noise() returns trigger language plpgsql as 'begin insert into odd.journal values (new.id, ''once''); return new; end';
  create trigger noisy after insert on noisy for each row execute function noise();
  create unlogged table volatile (id int primary key);`

const logged = new Set(['"Keyless ""One"""', 'journal', 'kinds', 'noisy', 'only_keys', 'parted_north', 'parted_rest', 'swaps', 'tree'])

interface Place { readonly source: Connection; readonly target: Connection; readonly server: PostgresServer }

/** Two databases of one server that is this test's own: slots have names in the whole of a server. */
async function place(context: TestContext, settings = {}): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-follow-'))
  const server = await startPostgres({ directory, durable: false, settings: { max_wal_senders: 4, ...settings } })
  context.after(async () => { await server.stop(); await rm(directory, { recursive: true, force: true }) })
  const at = (database: string): Connection => ({ host: server.host, port: server.port, user: server.user, password: server.password, database })
  for (const admin of [at('source'), at('target')]) {
    await migrate({ admin, create: true, application: { user: 'tenfold_app', password: 'tenfold' }, modules: [] })
    await on(admin, (client) => client.query(schema))
  }
  return { source: at('source'), target: at('target'), server }
}

async function on<T>(connection: Connection, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await openSession(connection)
  try { return await work(client) } finally { await client.end() }
}

function seeded(context: TestContext): Random {
  const seed = Number(process.env['TENFOLD_SEED'] ?? randomInt(2 ** 31))
  context.diagnostic(`seed ${seed}`)
  return seededRandom(seed)
}

/** One transaction of some changes. */
async function disturb(client: pg.Client, random: Random, turn: number): Promise<void> {
  const below = (limit: number) => Math.floor(random.float() * limit)
  const changes: (() => Promise<unknown>)[] = [
    () => client.query(`insert into odd.kinds (n, at, data, raw, list, mood, price, large) select 1.10, timestamptz '2026-01-01 00:00:00.123456+00' + g * interval '1.000001s', '{"b": 1.0, "a": "\\\\u00e9"}', decode(md5(g::text), 'hex'), array['a,b', null, '"'], 'not so', g, case g % 3 when 0 then repeat(md5($1 || g::text), 400) end from generate_series(1, 5) g`, [String(turn)]),
    () => client.query(`update odd.kinds set price = price + 1 where id % 7 = $1`, [below(7)]), // a large value that does not change is not told
    () => client.query(`update odd.kinds set large = null, data = null where id % 11 = $1`, [below(11)]),
    () => client.query(`delete from odd.kinds where id % 13 = $1`, [below(13)]),
    () => client.query(`insert into odd."Keyless ""One""" values ('same', '{"x":  1}'), ('same', '{"x":  1}'), ($1, null)`, [`word ${turn}`]),
    () => client.query(`update odd."Keyless ""One""" set note = '[]' where ctid = (select min(ctid) from odd."Keyless ""One""" where word = 'same')`),
    () => client.query(`delete from odd."Keyless ""One""" where ctid = (select max(ctid) from odd."Keyless ""One""")`),
    () => client.query(`insert into odd.tree select g, case when g % 2 = 0 then g + 1 end from generate_series($1::int, $1::int + 1) g`, [turn * 2]), // the child first
    () => client.query(`insert into odd.swaps values ($1, $1)`, [turn]),
    () => client.query(`update odd.swaps set place = (select min(id) + max(id) from odd.swaps) - place where place in (select min(id) from odd.swaps union select max(id) from odd.swaps)`),
    () => client.query(`insert into odd.only_keys values ($1, 1)`, [turn]),
    () => client.query(`update odd.only_keys set b = b + 1 where a % 3 = $1`, [below(3)]), // the key changes
    () => client.query(`insert into odd.parted values ($1, 'north'), ($1, 'south')`, [turn]),
    () => client.query(`update odd.parted set region = case region when 'north' then 'east' else region end where id % 5 = $1`, [below(5)]), // from one part to another
    () => client.query(`insert into odd.noisy values ($1)`, [turn]),
    () => client.query(`insert into odd.volatile values ($1)`, [turn]),
  ]
  await client.query('begin')
  if (random.float() < 0.05) await client.query('truncate odd.only_keys, odd.swaps')
  for (let count = 1 + below(4); count > 0; count--) await changes.splice(below(changes.length), 1)[0]?.()
  await client.query(random.float() < 0.15 ? 'rollback' : 'commit')
}

test('a copy follows what it is a copy of, whatever changes there; what it has is not copied again', { timeout: 60_000 }, async (context) => {
  const random = seeded(context)
  const { source, target } = await place(context)
  const settled = new Map<string, number>()
  const copied: string[] = []
  const options = { source, target, schemas: ['tenfold', 'odd'], settled, onTable: ({ table, copied: was }: { table: string; copied: boolean }) => { if (was) copied.push(table) } }
  let turn = 0
  const enough = new AbortController()
  await on(source, async (client) => { while (turn < 60) await disturb(client, random, ++turn) })
  const load = on(source, async (client) => { while (!enough.signal.aborted && turn < 3_000) await disturb(client, random, ++turn) })

  const inStepUntil = async (mark: number) => {
    const [leaving, inStep] = [new AbortController(), Promise.withResolvers<void>()]
    const following = follow({ ...options, status() {}, signal: leaving.signal, onInStep: inStep.resolve })
    await Promise.race([inStep.promise, following])
    await on(source, (client) => client.query(`insert into odd.journal values ($1, 'mark')`, [-mark]))
    await on(target, async (client) => assert.ok(await waitFor(async () => (await client.query('select from odd.journal where id = $1', [-mark])).rowCount === 1 || undefined, { timeoutMs: 20_000 })))
    leaving.abort()
    await following
  }
  // Broken off: at some moment of the copy, and some later. The changes since are kept.
  const brokenOff = async (tables: number) => {
    const away = new AbortController()
    let seen = 0
    await follow({ ...options, settled: new Map(), status() {}, signal: away.signal, onInStep() { away.abort() }, onTable: () => { if (++seen === tables) away.abort() } })
  }
  for (let round = 0; round < 3; round++) await brokenOff(1 + Math.floor(random.float() * 12))
  // Killed when what was kept had been done, and was not forgotten yet: it is told again.
  await on(source, (client) => client.query(`select pg_copy_logical_replication_slot('tenfold_move', 'as_it_was')`))
  await inStepUntil(1)
  await on(source, (client) => client.query(`select pg_drop_replication_slot('tenfold_move'), pg_copy_logical_replication_slot('as_it_was', 'tenfold_move'), pg_drop_replication_slot('as_it_was')`))
  await inStepUntil(2)
  enough.abort()
  await load

  copied.length = 0
  const moved = await moveRows({ ...options, async onVerified() {} })
  context.diagnostic(`${moved.rows} rows, ${turn} transactions`)
  assert.deepEqual(copied.filter((table) => logged.has(table.replace('odd.', ''))), [], 'nothing that is logged had to be copied again')
  const sums = (connection: Connection) => on(connection, async (client) => {
    const found: unknown[] = []
    for (const table of await tablesOf(client, ['tenfold', 'odd'])) found.push([table.path, await sumOf(client, table)])
    return found
  })
  assert.deepEqual(await sums(target), await sums(source))
  const left = await on(source, (client) => client.query(`select (select count(*)::int from pg_replication_slots where not temporary) as slots, (select count(*)::int from pg_publication) as publications`))
  assert.deepEqual(left.rows, [{ slots: 0, publications: 0 }])
  const next = await on(target, (client) => client.query<{ id: string }>('insert into odd.kinds (price) values (1) returning id'))
  assert.ok(Number(next.rows[0]?.id) > Number((await on(source, (client) => client.query<{ id: string }>('select max(id) as id from odd.kinds'))).rows[0]?.id), 'numbers go on where they stood')
})

test('what the disk may not hold is not kept: the copy begins anew, or says why it cannot go on', { timeout: 60_000 }, async (context) => {
  const { source, target } = await place(context, { max_slot_wal_keep_size: '16MB', max_wal_size: '32MB', min_wal_size: '32MB' })
  const copied: string[] = []
  const options = { source, target, schemas: ['tenfold', 'odd'], status() {}, onTable: ({ table, copied: was }: { table: string; copied: boolean }) => { if (was) copied.push(table) } }
  const settled = new Map<string, number>()
  const once = async () => { const away = new AbortController(); settled.clear(); await follow({ ...options, settled, signal: away.signal, onInStep: () => away.abort() }) }
  await on(source, (client) => client.query(`insert into odd.noisy values (1)`))
  await once()
  await on(source, async (client) => {
    await client.query(`insert into odd.noisy values (2)`)
    const isLost = async () => { await client.query(`insert into odd.kinds (large) select repeat(md5(g::text), 300) from generate_series(1, 3000) g; delete from odd.kinds; checkpoint`); return (await client.query(`select from pg_replication_slots where wal_status = 'lost'`)).rowCount === 1 || undefined }
    assert.ok(await waitFor(isLost, { timeoutMs: 30_000 }))
  })
  copied.length = 0
  await once()
  assert.deepEqual(copied.toSorted(), ['odd.journal', 'odd.noisy'], 'compared anew, and what differs copied')
  copied.length = 0
  await on(source, (client) => client.query(`select pg_drop_replication_slot('tenfold_move'); insert into odd.noisy values (3)`))
  await moveRows({ ...options, settled, async onVerified() {} })
  assert.deepEqual(copied.toSorted(), ['odd.journal', 'odd.noisy'], 'what was the same is not known to be so any more')
})

test('one move at a time; tables that changed meanwhile; somebody else who writes there, which is found', { timeout: 60_000 }, async (context) => {
  const { source, target } = await place(context)
  const options = { source, target, schemas: ['tenfold', 'odd'], status() {}, onTable() {} }
  const begin = async () => {
    const [leaving, inStep] = [new AbortController(), Promise.withResolvers<void>()]
    const settled = new Map<string, number>()
    const following = follow({ ...options, settled, signal: leaving.signal, onInStep: inStep.resolve })
    await Promise.race([inStep.promise, following])
    return { following, settled, async leave() { leaving.abort(); await following } }
  }
  const first = await begin()
  await assert.rejects(begin(), { code: 'topology', message: /^Another move fills that database/ })
  await on(source, (client) => client.query('alter table odd.tree add column height int; insert into odd.tree values (1, null, 2)'))
  await assert.rejects(first.following, { code: 'topology', message: /tables have changed meanwhile .*height.*: run it again/ })
  await on(target, (client) => client.query('alter table odd.tree add column height int'))
  const second = await begin()
  await on(target, (client) => client.query('delete from odd.tree'))
  await on(source, (client) => client.query('update odd.tree set height = 3'))
  assert.ok(await waitFor(async () => !second.settled.has('odd.tree') || undefined, { timeoutMs: 10_000 }), 'what has changed is compared once more')
  await on(source, (client) => client.query(`alter table odd.journal alter column what type text using 'written anew'; insert into tenfold.migrations (module, file, checksum) values ('odd', '002.sql', 'x')`))
  assert.ok(await waitFor(async () => second.settled.size === 0 || undefined, { timeoutMs: 10_000 }), 'what a migration rewrites is told by no change: all is compared once more')
  await second.leave()
  const third = await begin()
  await on(target, (client) => client.query('insert into odd.tree values (2)'))
  await on(source, (client) => client.query('insert into odd.tree values (2)'))
  await assert.rejects(third.following, { code: 'topology', message: /^What the application did cannot be done on the other side .*tree_pkey.*--abandon/ })
  await on(target, (client) => client.query('delete from odd.tree'))
  const copied: string[] = []
  await moveRows({ ...options, onTable: ({ table, copied: was }) => { if (was) copied.push(table) }, async onVerified() {} })
  assert.deepEqual(copied, ['odd.tree'])
})
