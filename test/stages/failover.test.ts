/** The primary dies under load: no acknowledged order is lost, errors are over soon, reads go on, and the dead one comes back as a replica. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { signalProcess } from '../../src/base/process.ts'
import type { ComponentStatus } from '../../src/ops/rig/keeper.ts'
import { assertBooks, stockOf, underWay } from '../process/books.ts'
import { ask, customer, type Order, products } from '../process/client.ts'
import { processesOf } from '../process/processes.ts'
import { chance } from '../process/seed.ts'
import { dataDirectory, until } from '../process/shop.ts'
import { openBook, type Wanted } from '../process/shopper.ts'
import { startStage } from './stage.ts'
import { lacks } from '../support/engines.ts'

const writers = 6
/** How many orders are known before the primary dies, and how many more after it did. */
const [before, after] = [30, 30]
/** After a kill orders fail no longer than this; the bound is the issue's. */
const errorsMsMax = 15_000

/** When answers came, and when none did, in milliseconds of one clock. */
interface Tally { readonly good: number[]; readonly bad: number[] }

const openTally = (): Tally => ({ good: [], bad: [] })
const named = (rows: readonly ComponentStatus[], role: string) => rows.filter((row) => row.role === role).map(({ name }) => name)

function longestGapMs({ good }: Tally): number { return Math.max(...good.slice(1).map((at, index) => at - (good[index] ?? at))) }

test('the primary is killed under load: every acknowledged order is there once, errors end in 15 s, reads go on, and it comes back as a replica', { skip: await lacks('etcd', 'patroni', 'postgresql'), timeout: 110_000 }, async (context) => {
  const { pick, below } = chance(context)
  const directory = await dataDirectory(context)
  const stage = await startStage(directory, 4, undefined, { args: ['--ha'] })
  const rows = await stage.ps()
  assert.deepEqual(rows.map(({ name, state }) => `${name} ${state}`), ['etcd ready', 'member-1 ready', 'member-2 ready', 'member-3 ready', 'application ready'])
  const [primary = ''] = named(rows, 'primary')
  assert.deepEqual([named(rows, 'primary').length, named(rows, 'replica').length], [1, 2])

  const shopper = { email: 'shopper@example.com', ...await customer(stage, 'shopper@example.com') }
  const stockBefore = await stockOf(directory)
  const plenty = (await products(stage, 100)).filter(({ stock }) => stock > 300).slice(0, 5).map(({ id }) => id)
  const book = openBook()
  const [orders, reads] = [openTally(), openTally()]
  let number = 0
  const [ordering, reading] = [new AbortController(), new AbortController()]
  context.after(() => { ordering.abort(); reading.abort() }) // a test that fails stops asking, too
  const place = async (order: Wanted) => { (await book.place(stage, order) ? orders.good : orders.bad).push(performance.now()) }
  const placing = Array.from({ length: writers }, async () => {
    while (!ordering.signal.aborted) {
      const order = { key: `order-${number++}`, ...shopper, items: [{ productId: pick(plenty), quantity: 1 + below(3) }] }
      for (await place(order); !ordering.signal.aborted && !book.said.has(order.key);) await place(order)
    }
  })
  await until('orders are known', () => book.said.size >= before)
  const known = [...book.said.values()].flatMap((said) => said.kind === 'order' ? [said.order] : [])
  const readers = (async () => {
    while (!reading.signal.aborted) {
      const { id } = pick(known)
      const answer = await ask<Order>(`${stage.urls.web}/v1/orders/${id}`, { token: shopper.token }).catch(() => undefined)
      ;(answer?.status === 200 && answer.body.id === id ? reads.good : reads.bad).push(performance.now())
    }
  })()

  const postmaster = Number((await readFile(join(directory, 'rig', primary, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
  const killedAt = performance.now()
  for (const pid of [rows.find(({ name }) => name === primary)?.pid, postmaster]) signalProcess(pid as number, 'SIGKILL')
  const saidBefore = book.said.size
  await until('more orders are known', () => book.said.size >= saidBefore + after, 60_000)
  const readsInOutage = reads.good.length
  await until('the old primary is a replica', async () => {
    const found = await stage.ps()
    return found.every(({ state }) => state === 'ready') && named(found, 'replica').includes(primary) && named(found, 'primary').length === 1
  }, 60_000).catch(async (error: Error) => { throw new Error(`${error.message} ${JSON.stringify(await stage.ps())} ${(await readFile(join(directory, 'rig', 'logs', `${primary}.log`), 'utf8')).split('\n').filter((line) => / (INFO|WARNING|ERROR): /.test(line)).slice(-60).join('\n')}`) })
  ordering.abort()
  reading.abort()
  await Promise.all([...placing, readers])

  const errorsMs = Math.max(0, ...orders.bad.map((at) => at - killedAt))
  context.diagnostic(`${primary} killed: the last failed order ${Math.round(errorsMs)} ms after; ${orders.bad.length} of ${orders.good.length + orders.bad.length} orders failed; no order for ${Math.round(longestGapMs(orders))} ms`)
  context.diagnostic(`reads: ${reads.bad.length} of ${reads.good.length + reads.bad.length} failed, none for ${Math.round(longestGapMs(reads))} ms`)
  assert.ok(errorsMs < errorsMsMax && longestGapMs(orders) < errorsMsMax)
  assert.ok(readsInOutage > 0 && longestGapMs(reads) < errorsMsMax)
  assert.ok(orders.bad.length > 0 || longestGapMs(orders) > 500, 'the primary was missed')

  await until('every answer is known', async () => { await Promise.all(book.unknown().map((one) => book.place(stage, one))); return book.unknown().length === 0 })
  await until('everything is settled', async () => Object.values(await underWay(directory)).every((count) => count === 0), 40_000)
  await until('every key answers again', () => book.again(stage))
  assert.deepEqual(book.oddities, [])
  const { paid } = await assertBooks(stage, directory, book, stockBefore)
  assert.ok(paid >= before)

  process.kill(stage.pid, 'SIGKILL')
  await until('what the killed rig ran is gone', async () => (await processesOf(directory)).length === 0)
})
