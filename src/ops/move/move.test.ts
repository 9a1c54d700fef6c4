import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionOf, migrate } from '../../data/index.ts'
import { testDatabase } from '../../testing/index.ts'
import { moveRows } from './move.ts'

const application = { user: 'tenfold_app', password: 'tenfold' }

test('a move that dies behind its last table is run again, and copies only what has changed since', async () => {
  await using source = await testDatabase()
  await using target = await testDatabase()
  const [from, to] = [source, target].map(({ url }) => connectionOf(url, 'a test')) as [ReturnType<typeof connectionOf>, ReturnType<typeof connectionOf>]
  for (const admin of [from, to]) await migrate({ admin, application, modules: [] })
  const write = (id: string) => source.query(`insert into tenfold.records (bucket, run, step, expires_at) values (1, $1, 'step', now())`, [id])
  await write('00000000-0000-4000-8000-000000000001')
  const move = async (onVerified: () => Promise<void>) => {
    const copied: string[] = []
    return { moved: await moveRows({ source: from, target: to, schemas: ['tenfold'], onVerified, onTable: ({ table, copied: was }) => { if (was) copied.push(table) } }), copied }
  }
  await assert.rejects(move(async () => { throw new RangeError('killed') }), /killed/)
  await write('00000000-0000-4000-8000-000000000002')
  const { moved, copied } = await move(async () => {})
  assert.deepEqual(copied, ['tenfold.records'])
  assert.ok(moved.rows >= 2)
  assert.equal((await target.query('select from tenfold.records')).length, 2)
  await assert.rejects(move(async () => {}), { code: 'topology', message: /is in use already: name an empty one/ }, 'what was moved is not moved over')
})
