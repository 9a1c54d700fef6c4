import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineApp, defineModule, t } from 'tenfold'
import { testApp } from 'tenfold/testing'
import { appDefinition } from '../../src/app/index.ts'
import { Positions, systemClock } from '../../src/base/index.ts'
import { createData } from '../../src/data/index.ts'
import { createTestDatabases } from '../../src/testing/databases.ts'
import { atEveryStage } from '../support/stages.ts'
import { accountById, ledger, openAccount } from '../ledger/ledger.ts'

const Owner = t.Object({ ownerId: t.String() })
const probe = defineModule<{ rows: { ownerId: string; id: string } }>()('probe', { migrations: new URL('./migrations/probe/', import.meta.url), shardKey: 'ownerId' })
const sneak = probe.query('sneak', { input: Owner, output: t.Null() }).handle(async (ctx, { ownerId }) => {
  await ctx.db.sql`insert into rows (owner_id, id) values (${ownerId}, 'x')`
  return null
})
const trespass = probe.command('trespass', { input: Owner, output: t.Integer() }).handle(async (ctx) => {
  await ctx.db.sql`insert into rows (bucket, owner_id, id) values (${4095}, 'other', 'x')`
  return 1
})
const put = probe.command('put', { input: t.Object({ ownerId: t.String(), id: t.String() }), output: t.Null() }).handle(async (ctx, row) => {
  await ctx.db.insertInto('rows').values(row).execute()
  return null
})
const all = probe.query('all', { input: Owner, output: t.Array(t.String()) }).handle(async (ctx) => (await ctx.db.selectFrom('rows').select('id').execute()).map(({ id }) => id))
const sleepy = probe.query('sleepy', { input: Owner, output: t.Null(), timeout: '150ms' }).handle(async (ctx) => {
  await ctx.db.sql`select pg_sleep(20)`
  return null
})
const twice = probe.action('twice', { input: Owner, output: t.Null(), backstop: { none: 'a test' } }).handle(async (ctx, input) => {
  await ctx.call(put, { ...input, id: 'a' })
  await ctx.call(put, { ...input, id: 'b' })
  return null
})
const leaky = probe.query('leaky', { input: Owner, output: t.Array(t.Object({ id: t.String() })) }).handle((ctx) => ctx.db.selectFrom('rows').selectAll().execute())
const nested = probe.query('nested', { input: Owner, output: t.Array(t.String()) }).handle(async (ctx, input) => {
  await ctx.db.selectFrom('rows').select('id').execute()
  return ctx.call(all, input)
})
const app = defineApp('probe', { modules: [probe], routes: [] })

atEveryStage('a query cannot write, whatever SQL it sends', app, async (running) => {
  await assert.rejects(running.call(sneak, { ownerId: 'a' }), { code: 'definition', message: /A query tried to write/ })
})

atEveryStage('row security holds a command to its bucket, and a query too', app, async (running) => {
  await assert.rejects(running.call(trespass, { ownerId: 'a' }), /row-level security/)
  for (const ownerId of ['a', 'b', 'c']) await running.call(put, { ownerId, id: `of ${ownerId}` })
  for (const ownerId of ['a', 'b', 'c']) assert.deepEqual(await running.call(all, { ownerId }), [`of ${ownerId}`])
})

atEveryStage('an answer holds what its schema names, and nothing else', app, async (running) => {
  await running.call(put, { ownerId: 'a', id: 'x' })
  assert.deepEqual(await running.call(leaky, { ownerId: 'a' }), [{ id: 'x' }])
})

test('a deadline reaches SQL: the statement is ended, not only left', async () => {
  await using running = await testApp(app)
  await assert.rejects(running.call(sleepy, { ownerId: 'a' }), { code: 'timeout' })
  const { data } = running.engine.platform
  assert.deepEqual(await data.execute(data.databaseOf(undefined), { text: `select from pg_stat_activity where query like '%pg_sleep(20)%' and state = 'active' and pid <> pg_backend_pid()` }), [])
})

atEveryStage('two steps of one name are an error that says what to do', app, async (running) => {
  await assert.rejects(running.call(twice, { ownerId: 'a' }), { code: 'step-named-twice', message: /give each call of probe\.put a name of its own/ })
})

test('a pool that is full says so, with its figures, after its wait', async () => {
  await using running = await testApp(app, { pool: { max: 2, waitMs: 250 } })
  const { data } = running.engine.platform
  const place = { database: data.databaseOf(undefined), schema: 'probe', bucket: undefined }
  const held = await Promise.all([1, 2].map(() => data.write(place, { isolation: 'read committed', timeoutMs: 5_000 })))
  await assert.rejects(running.call(put, { ownerId: 'a', id: 'x' }), { code: 'pool-exhausted', status: 503, message: /became free in 250 ms: 2 of 2 are in use, and 0 more callers wait; shorten/, data: { used: 2, available: 0, waiting: 0, max: 2 } })
  assert.deepEqual(await running.call(all, { ownerId: 'a' }), [], 'writes at their limit do not keep reads out')
  await Promise.all(held.map((transaction) => transaction.rollback()))
  await running.call(put, { ownerId: 'a', id: 'x' })
})

test('queries that call queries do not wait for each other\'s connections', async () => {
  await using running = await testApp(app, { pool: { max: 2, waitMs: 500 } })
  await running.call(put, { ownerId: 'a', id: 'x' })
  assert.deepEqual(await Promise.all(Array.from({ length: 12 }, () => running.call(nested, { ownerId: 'a' }))), Array.from({ length: 12 }, () => ['x']))
})

test('reads of one tick by one statement are one statement', async () => {
  await using running = await testApp(ledger)
  const opened = await Promise.all(Array.from({ length: 40 }, (_, index) => running.call(openAccount, { name: String(index), balance: index })))
  const { lane } = running.engine.platform.data.databaseOf(undefined).primary
  const sent: string[] = []
  const burst = lane.burst
  lane.burst = (statements) => { sent.push(...statements.map(({ text }) => text).filter((text) => text.startsWith('select') && !text.includes('pg_prepared_statements'))); return burst(statements) }
  const read = () => Promise.all(opened.map(({ id }) => running.call(accountById, { id })))
  assert.deepEqual([await read(), await read()], [opened, opened])
  assert.equal(sent.length, 2)
  assert.match(sent[1] ?? '', /unnest/)
  assert.deepEqual(await running.call(accountById, { id: opened[3]?.id ?? '' }), opened[3])
  assert.doesNotMatch(sent[2] ?? '', /unnest/, 'one alone goes as it is')
})

test('a replica that is gone is a detour, not an outage', async () => {
  const databases = await createTestDatabases(appDefinition(ledger), ['main'], false)
  const [main] = databases.configs
  assert.ok(main)
  const data = createData({ databases: [{ ...main, replicas: [{ ...main.primary, port: 1 }] }], pool: { max: 2, waitMs: 1_000 } }, systemClock)
  try {
    const place = { database: data.databaseOf(undefined), schema: 'accounts', bucket: undefined }
    const rows = await data.read(place, { consistency: 'session', positions: new Positions(), timeoutMs: 1_000 }, (db) => db.sql`select 1 as one`)
    assert.deepEqual(rows, [{ one: 1 }])
  } finally {
    await data.close()
    await databases.drop()
  }
})
