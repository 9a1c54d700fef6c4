import assert from 'node:assert/strict'
import { Positions } from '../../src/base/index.ts'
import { atEveryStage } from '../support/stages.ts'
import { accountById, accountsByName, cachedAccount, careless, credit, deposit, entriesOf, everything, ledger, openAccount, seen, totals, walletOf } from './ledger.ts'

/** Of different buckets, and on the hostile stage of different shards. */
const owners = ['00000000-0000-8000-8000-000000000001', '00000000-0000-8fff-8000-000000000002'] as const

atEveryStage('a command writes, a query reads it back, reads of one tick are one statement', ledger, async (app) => {
  const opened = await Promise.all(Array.from({ length: 5 }, (_, index) => app.call(openAccount, { name: `a${index}`, balance: index })))
  assert.deepEqual(await Promise.all(opened.map(({ id }) => app.call(accountById, { id }))), opened)
  await assert.rejects(app.call(accountById, { id: owners[0] }), { code: 'not-found', message: `There is no account ${owners[0]}.` })
})

atEveryStage('rows of a sharded module are found by their key, and by nothing else', ledger, async (app) => {
  for (const ownerId of owners) await app.call(credit, { ownerId, amount: 10, note: 'first' })
  await app.settle()
  for (const ownerId of owners) {
    assert.deepEqual(await app.call(walletOf, { ownerId }), { ownerId, balance: 10 })
    assert.equal(await app.call(careless, { ownerId }), 1)
    assert.deepEqual((await app.call(entriesOf, { ownerId })).map(({ note }) => note), ['first', 'first stamped'])
  }
  assert.deepEqual(await app.call(everything, {}), { sum: 20 })
  assert.deepEqual(await app.call(totals, {}), { credits: 2, amount: 20 })
  assert.deepEqual(await app.call(seen, { ownerId: owners[1] }), [10])
})

atEveryStage('a job as a command is acknowledged with its writes', ledger, async (app) => {
  await app.call(credit, { ownerId: owners[1], amount: 1, note: 'as a command' })
  await app.settle()
  assert.deepEqual((await app.call(entriesOf, { ownerId: owners[1] })).map(({ note }) => note).toSorted(), ['as a command', 'as a command stamped'])
  const { data } = app.engine.platform
  for (const database of data.databases) assert.deepEqual(await data.execute(database, { text: 'select id from tenfold.runs union all select id from tenfold.dead' }), [], 'nothing of it is left')
})

atEveryStage('a cached answer is dropped before the command that changed it is answered', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'cached', balance: 1 })
  const first = await app.call(cachedAccount, { id })
  assert.equal(await app.call(cachedAccount, { id }), first, 'the second is the first, remembered')
  await app.call(deposit, { id, amount: 4 })
  assert.equal((await app.call(cachedAccount, { id })).balance, 5)
})

atEveryStage('a page goes on where the last one ended, whatever changed between', ledger, async (app) => {
  const opened = []
  for (let index = 0; index < 7; index++) opened.push(await app.call(openAccount, { name: `p${index}`, balance: index % 3 }))
  const ids: string[] = []
  for (let cursor: string | undefined, more = true; more;) {
    const found = await app.call(accountsByName, { limit: 3, ...(cursor === undefined ? {} : { cursor }) })
    ids.push(...found.data.map(({ id }) => id))
    more = found.hasMore
    cursor = found.nextCursor ?? undefined
  }
  const expected = opened.toSorted((a, b) => b.balance - a.balance || (a.id < b.id ? -1 : 1)).map(({ id }) => id)
  assert.deepEqual(ids, expected)
  await assert.rejects(app.call(accountsByName, { cursor: '[1]' }), { code: 'bad-cursor' })
})

atEveryStage('who reads a remembered answer does not go back behind it', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'ahead', balance: 1 })
  for (let nth = 0; nth < 5; nth++) {
    const balance = (await app.call(deposit, { id, amount: 1 })).balance
    await app.call(cachedAccount, { id })
    const stranger = new Positions()
    assert.equal((await app.call(cachedAccount, { id }, { positions: stranger })).balance, balance, 'it is remembered')
    assert.equal((await app.call(accountById, { id }, { positions: stranger })).balance, balance)
  }
})
