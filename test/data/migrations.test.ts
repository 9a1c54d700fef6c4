import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrated as setUp } from '../support/migrated.ts'

test('files are applied once, in the order of their names; a second run finds nothing', async (context) => {
  const { write, migrate: run, rows } = await setUp(context)
  await write('001-a.sql', 'create table a (id int primary key)')
  await write('002-b.sql', 'insert into a values (1); insert into a values (2)')
  assert.deepEqual(await run(), ['001-a.sql', '002-b.sql'])
  assert.deepEqual(await run(), [])
  await write('003-c.sql', 'insert into a values (3)')
  assert.deepEqual(await Promise.all([run(), run()]).then((both) => both.flat()), ['003-c.sql'], 'two at once: one of them')
  assert.deepEqual(await rows('select count(*)::int as n from things.a'), [{ n: 3 }])
})

test('a dry run applies everything and keeps nothing', async (context) => {
  const { write, migrate: run, rows } = await setUp(context)
  await write('001-a.sql', 'create table a (id int primary key)')
  assert.deepEqual(await run({ dryRun: true }), ['001-a.sql'])
  assert.deepEqual(await rows(`select from pg_tables where tablename = 'a'`), [])
  assert.deepEqual(await run(), ['001-a.sql'])
})

test('a changed, a missing, a late and a failing file are refused by name, and nothing of them is kept', async (context) => {
  const { write, remove, migrate: run, rows } = await setUp(context)
  await write('002-a.sql', 'create table a (id int primary key)')
  await run()
  await write('002-a.sql', 'create table a (id bigint primary key)')
  await assert.rejects(run(), { code: 'migration', message: /things\/002-a\.sql was changed after it was applied/ })
  await remove('002-a.sql')
  await assert.rejects(run(), { code: 'migration', message: /things\/002-a\.sql was applied to this database and is missing now/ })
  await write('002-a.sql', 'create table a (id int primary key)')
  await write('001-late.sql', 'select 1')
  await assert.rejects(run(), { code: 'migration', message: /001-late\.sql sorts before 002-a\.sql/ })
  await remove('001-late.sql')
  await write('003-b.sql', 'create table b (id int primary key); insert into nowhere values (1)')
  await assert.rejects(run(), { code: 'migration', message: /things\/003-b\.sql failed: relation "nowhere" does not exist/ })
  assert.deepEqual(await rows(`select from pg_tables where tablename = 'b'`), [])
})

test('line ends are no change', async (context) => {
  const { write, migrate: run } = await setUp(context)
  await write('001-a.sql', 'create table a\n(id int primary key);\n')
  await run()
  await write('001-a.sql', 'create table a\r\n(id int primary key);\r\n')
  assert.deepEqual(await run(), [])
})

test('a table of a sharded module without its bucket is refused', async (context) => {
  const { write, migrate: run } = await setUp(context, { shardKey: 'ownerId' })
  await write('001-a.sql', 'create table a (owner_id uuid, id uuid, primary key (owner_id, id))')
  await assert.rejects(run(), { code: 'migration', message: /things\.a belongs to the sharded module things: give it "bucket smallint not null", first in its primary key/ })
})
