import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp, type TestApp } from 'tenfold/testing'
import { Positions } from '../../src/base/index.ts'
import { registerSubscribers } from '../../src/events/index.ts'
import { atEveryStage } from '../support/stages.ts'
import { accountById, accountNow, credit, creditsOf, deposit, double, entriesOf, hold, ledger, openAccount, outage, pay, poison, seen, spoil, totals, transfer, walletOf } from './ledger.ts'

const owner = '00000000-0000-8fff-8000-00000000000a'
const other = '00000000-0000-8001-8000-00000000000b'
type Ledger = TestApp<typeof ledger>

async function counts(app: Ledger, table: string): Promise<number> {
  const { data } = app.engine.platform
  const rows = await Promise.all(data.databases.map((database) => data.execute<{ n: number }>(database, { text: `select count(*) as n from ${table}` })))
  return rows.reduce((sum, [row]) => sum + (row?.n ?? 0), 0)
}

atEveryStage('1 all or nothing: what a failed command wrote, stated and asked for is gone', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'ann', balance: 5 })
  await assert.rejects(app.call(hold, { holdId: owner, id, amount: 6 }), { code: 'short-funds', data: { left: 5 } })
  await assert.rejects(app.call(openAccount, { name: 'ann', balance: 1 }))
  await assert.rejects(app.call(spoil, { ownerId: owner }), { code: 'short-funds' })
  assert.equal(await app.call(walletOf, { ownerId: owner }), null)
  assert.equal((await app.call(accountById, { id })).balance, 5)
  assert.deepEqual([await counts(app, 'accounts.holds'), await counts(app, 'tenfold.outbox'), await counts(app, 'tenfold.runs')], [0, 0, 0])
})

atEveryStage('2 own writes: a caller reads what it wrote, and never goes back in time', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'bea', balance: 0 })
  for (let balance = 1; balance <= 10; balance++) {
    await app.call(deposit, { id, amount: 1 })
    assert.equal((await app.call(accountById, { id })).balance, balance)
  }
  const stranger = new Positions()
  let last = -1
  for (let round = 0; round < 20; round++) {
    await app.call(deposit, { id, amount: 1 })
    const balance = await app.call(accountById, { id }, { positions: stranger }).then((account) => account.balance, () => -1)
    assert.ok(balance >= last, `a reader saw ${balance} after ${last}`)
    last = balance
    // Now and then it reads the primary, and must not go back from there.
    if (round % 3 === 0) last = (await app.call(accountNow, { id }, { positions: stranger })).balance
  }
})

atEveryStage('4 once: a command that is repeated in a run, by key, by event or by job has one effect', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'cat', balance: 100 })
  app.replace(pay, () => ({ outcome: 'paid' as const }))
  const first = await app.call(transfer, { from: id, to: owner, amount: 30 }, { key: 'one' })
  const again = await Promise.all([1, 2, 3].map(() => app.call(transfer, { from: id, to: owner, amount: 30 }, { key: 'one' })))
  await app.settle()
  assert.deepEqual(again, [first, first, first])
  assert.equal((await app.call(accountById, { id })).balance, 70)
  assert.deepEqual(await app.call(walletOf, { ownerId: owner }), { ownerId: owner, balance: 30 })
  assert.deepEqual(await app.call(totals, {}), { credits: 1, amount: 30 })
  assert.deepEqual(await app.call(seen, { ownerId: owner }), [30])
  assert.equal((await app.call(entriesOf, { ownerId: owner })).length, 2)
  await assert.rejects(app.call(transfer, { from: id, to: owner, amount: 31 }, { key: 'one' }), { code: 'key-reused' })
  const another = await app.call(transfer, { from: id, to: owner, amount: 30 }, { key: 'one', as: { id: 'somebody else' } })
  assert.notEqual(another.id, first.id)
})

atEveryStage('4 once: concurrent repeats of one key wait for the first, and get its answer', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'dan', balance: 100 })
  app.replace(pay, () => ({ outcome: 'paid' as const }))
  const answers = await Promise.all(Array.from({ length: 6 }, () => app.call(transfer, { from: id, to: other, amount: 10 }, { key: 'crowd' })))
  assert.equal(new Set(answers.map((answer) => answer.id)).size, 1)
  assert.equal((await app.call(accountById, { id })).balance, 90)
  assert.deepEqual(await app.call(walletOf, { ownerId: other }), { ownerId: other, balance: 10 })
})

atEveryStage('a refusal that left nothing behind is forgotten: the key may try again', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'eve', balance: 5 })
  app.replace(pay, () => ({ outcome: 'paid' as const }))
  await assert.rejects(app.call(transfer, { from: id, to: owner, amount: 10 }, { key: 'k' }), { code: 'short-funds' })
  await app.call(deposit, { id, amount: 5 })
  assert.equal((await app.call(transfer, { from: id, to: owner, amount: 10 }, { key: 'k' })).status, 'done')
})

atEveryStage('a resumed run goes on from what it read, not from what it would read now', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'dot', balance: 1 })
  for (let nth = 1; nth <= 6; nth++) assert.equal((await app.call(double, { id }, { key: String(nth) })).balance, 2 ** nth)
}, { crashShare: 0.5 })

atEveryStage('an action that is left unfinished is finished by its backstop, and its key then answers the end', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'fay', balance: 50 })
  app.down(pay)
  const left = await app.call(transfer, { from: id, to: owner, amount: 20 }, { key: 'slow' })
  assert.equal(left.status, 'processing')
  assert.equal((await app.call(transfer, { from: id, to: owner, amount: 20 }, { key: 'slow' })).id, left.id)
  app.replace(pay, () => ({ outcome: 'paid' as const }))
  // Its pauses grow with its tries, and on the hostile stage it has died now and then.
  await app.clock.advance('1m')
  assert.deepEqual(await app.call(transfer, { from: id, to: owner, amount: 20 }, { key: 'slow' }), { id: left.id, status: 'done' })
  assert.equal((await app.call(accountById, { id })).balance, 30)
})

atEveryStage('an action that never ends is undone', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'gus', balance: 50 })
  app.down(pay)
  const left = await app.call(transfer, { from: id, to: owner, amount: 20 }, { key: 'lost' })
  assert.equal((await app.call(accountById, { id })).balance, 30)
  await app.clock.advance('2h')
  assert.equal((await app.call(accountById, { id })).balance, 50)
  assert.deepEqual(await app.call(transfer, { from: id, to: owner, amount: 20 }, { key: 'lost' }), { id: left.id, status: 'refused' })
})

atEveryStage('5 nothing dropped: a failing event parks its key and nothing else, and ends in the dead letters', ledger, async (app) => {
  const [first, last] = [`${owner} 1`, `${owner} 9`]
  poison.add(first)
  try {
    for (let nth = 0; nth < 3; nth++) for (const ownerId of [owner, other]) await app.call(credit, { ownerId, amount: nth + 1, note: String(nth) })
    await app.settle()
    assert.deepEqual(await app.call(seen, { ownerId: owner }), [], 'what comes behind it waits with it')
    assert.deepEqual(await app.call(seen, { ownerId: other }), [1, 2, 3])
    assert.deepEqual(await app.call(totals, {}), { credits: 6, amount: 12 })
    poison.delete(first)
    for (let round = 0; round < 6; round++) await app.clock.advance('1h')
    assert.deepEqual(await app.call(seen, { ownerId: owner }), [1, 2, 3], 'in their order, once the fault is mended')
    poison.add(last)
    await app.call(credit, { ownerId: owner, amount: 9, note: 'dies' })
    for (let round = 0; round < 14; round++) await app.clock.advance('1h')
    assert.equal(await counts(app, `tenfold.dead where kind = 'event' and reason = 'poisoned'`), 1)
  } finally {
    poison.clear()
  }
})

test('5 nothing dropped: an outage parks nothing, and is no try of the event', async () => {
  await using app = await testApp(ledger)
  await app.call(credit, { ownerId: owner, amount: 1, note: 'waits' })
  outage.left = 12
  try {
    let refused = 0
    while (outage.left > 0) await app.settle().catch((error: { code: string }) => { assert.equal(error.code, 'database-unavailable'); refused++ })
    assert.equal(refused, 12)
    assert.deepEqual([await counts(app, 'tenfold.parked'), await counts(app, 'tenfold.dead')], [0, 0])
    await app.settle()
    assert.deepEqual(await app.call(seen, { ownerId: owner }), [1])
  } finally {
    outage.left = 0
  }
})

atEveryStage('a projection is rebuilt from the kept events, and is what it was', ledger, async (app) => {
  for (let nth = 0; nth < 4; nth++) await app.call(credit, { ownerId: nth % 2 ? owner : other, amount: 5, note: String(nth) })
  await app.settle()
  const before = await app.call(totals, {})
  await app.rebuild('accounts.totals')
  await app.settle()
  assert.deepEqual(before, { credits: 4, amount: 20 })
  assert.deepEqual(await app.call(totals, {}), before)
  assert.deepEqual((await app.call(seen, { ownerId: owner })), [5, 5], 'an on is not replayed')

  const ofEach = () => Promise.all([owner, other].map((ownerId) => app.call(creditsOf, { ownerId })))
  assert.deepEqual(await ofEach(), [2, 2])
  await app.rebuild('wallets.statements')
  await app.settle()
  assert.deepEqual(await ofEach(), [2, 2], 'one of a sharded module, in all of its buckets')
})

atEveryStage('concurrent commands on one row are run again until each is right', ledger, async (app) => {
  const { id } = await app.call(openAccount, { name: 'hal', balance: 0 })
  await Promise.all(Array.from({ length: 8 }, () => app.call(deposit, { id, amount: 1 })))
  assert.equal((await app.call(accountById, { id })).balance, 8)
})

test('5 nothing dropped: an event whose transaction commits late is not skipped', async () => {
  await using app = await testApp(ledger)
  const { data } = app.engine.platform
  const database = data.databaseOf(undefined)
  const late = await data.write({ database, schema: 'accounts', bucket: undefined }, { isolation: 'read committed', timeoutMs: 5_000 })
  const event = (ownerId: string, amount: number) => ({
    text: `insert into tenfold.outbox (bucket, event, key, payload, at, expires_at) values (0, 'wallets.wallet.credited', $1, $2, now(), now() + interval '1 day')`, values: [ownerId, JSON.stringify({ ownerId, amount, nth: 1 })],
  })
  await late.query(event(owner, 1))
  await app.call(credit, { ownerId: other, amount: 2, note: 'early' })
  await app.settle()
  assert.deepEqual(await app.call(totals, {}), { credits: 1, amount: 2 })
  await late.commit()
  await app.settle()
  assert.deepEqual(await app.call(totals, {}), { credits: 2, amount: 3 })
})

test('the hostile stage does what it says', async () => {
  await using app = await testApp(ledger, { stage: 'hostile', seed: 7 })
  const { id } = await app.call(openAccount, { name: 'ivy', balance: 1_000 })
  app.replace(pay, () => ({ outcome: 'paid' as const }))
  for (let nth = 0; nth < 10; nth++) await app.call(transfer, { from: id, to: nth % 2 ? owner : other, amount: 10 }, { key: String(nth) })
  await app.settle()
  const inflicted = [...app.hostility?.inflicted.keys() ?? []]
  for (const kind of ['crash before', 'crash after', 'step twice command', 'step twice operation', 'event twice', 'job twice', 'crash before the position']) assert.ok(inflicted.some((what) => what.startsWith(kind)), `${kind} never happened: ${inflicted.join(', ')}`)
  assert.equal((await app.call(accountById, { id })).balance, 900)
  assert.deepEqual(await app.call(totals, {}), { credits: 10, amount: 100 })
})

test('an on that is added later begins then; a projection that is added later takes all that is kept', async () => {
  await using app = await testApp(ledger)
  await app.call(credit, { ownerId: owner, amount: 3, note: 'before' })
  const { data } = app.engine.platform
  await data.execute(data.databaseOf(undefined), { text: 'delete from tenfold.subscribers' })
  await app.settle()
  await registerSubscribers(data, data.databaseOf(undefined), app.engine.relay.subscribers)
  await app.call(credit, { ownerId: owner, amount: 4, note: 'after' })
  await app.settle()
  assert.deepEqual(await app.call(seen, { ownerId: owner }), [4])
  assert.deepEqual(await app.call(totals, {}), { credits: 2, amount: 7 })
})
