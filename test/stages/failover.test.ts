/** The primary dies, or hangs, under load: no acknowledged order is lost, errors are over soon, reads go on, and it comes back as a replica. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { signalProcess, waitFor } from '../../src/base/process.ts'
import { readSession } from '../../src/ops/rig/session.ts'
import { assertBooks, stockOf, underWay } from '../process/books.ts'
import { ask, customer, type Problem, products } from '../process/client.ts'
import { processesOf } from '../process/processes.ts'
import { chance } from '../process/seed.ts'
import { command, dataDirectory, finished, startShop, until } from '../process/shop.ts'
import { type Book, openBook, type Wanted } from '../process/shopper.ts'
import { lacks } from '../support/engines.ts'
import { freeze } from '../support/frozen.ts'
import { assertDrill, assertRestored, untilBackedUp } from './backed-up.ts'
import { named, processesOfMember, type Stage, startStage } from './stage.ts'

const [writers, readers] = [6, 3]
/** How many orders are known before the primary dies, and how many more after it did. */
const [before, after] = [30, 30]
/** After a blow orders fail no longer than this; the bound is the issue's. */
const errorsMsMax = 15_000

/** When answers came, and when was asked in vain, in milliseconds of one clock; what was said then; and the longest that one waited in vain. */
interface Tally { readonly good: number[]; readonly bad: number[]; readonly codes: Set<string>; longestMs: number }

const openTally = (): Tally => ({ good: [], bad: [], codes: new Set(), longestMs: 0 })
function asked(tally: Tally, at: number, isAnswered: boolean): void {
  if (isAnswered) return void tally.good.push(performance.now())
  tally.bad.push(at)
  tally.longestMs = Math.max(tally.longestMs, performance.now() - at)
}

const longestGapMs = ({ good }: Tally) => Math.max(...good.slice(1).map((at, index) => at - (good[index] ?? at)))

/** As somebody who looks at an answer before he asks again, until it is enough. */
async function keepAsking(count: number, askOnce: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const one = () => waitFor(async () => { await askOnce(); return signal.aborted || undefined }, { timeoutMs: 120_000, everyMs: 20 })
  await Promise.all(Array.from({ length: count }, one))
}

/** Each writer asks for one order until it is known, and then for the next. */
async function keepOrdering(place: (order: Wanted) => Promise<boolean>, next: () => Wanted, signal: AbortSignal): Promise<Tally> {
  const tally = openTally()
  const unknown: Wanted[] = []
  await keepAsking(writers, async () => {
    const [at, order] = [performance.now(), unknown.pop() ?? next()]
    const isKnown = await place(order)
    asked(tally, at, isKnown)
    if (!isKnown) unknown.push(order)
  }, signal)
  return tally
}

/** Each reader asks for the customer's orders: a replica may answer that. */
async function keepReading(stage: Stage, token: string, tally: Tally, signal: AbortSignal): Promise<void> {
  await keepAsking(readers, async () => {
    const at = performance.now()
    const answer = await ask<{ data: unknown[] } | Problem>(`${stage.urls.web}/v1/orders?limit=5`, { token }).catch(() => undefined)
    const isRead = answer?.status === 200 && 'data' in answer.body && answer.body.data.length === 5
    asked(tally, at, isRead)
    if (!isRead) tally.codes.add(answer && 'code' in answer.body ? answer.body.code : 'no answer')
  }, signal)
}

/** What befalls a primary; what it answers ends that. */
type Blow = (pids: readonly number[]) => Promise<() => void>
const killed: Blow = async (pids) => {
  for (const pid of pids) signalProcess(pid, 'SIGKILL')
  return () => { /* its keeper starts it again */ }
}
const frozen: Blow = (pids) => freeze(...pids)

async function untilReplica(directory: string, name: string): Promise<void> {
  await until('the old primary is a replica', async () => {
    const rows = (await readSession(join(directory, 'rig')))?.state.components ?? []
    return rows.every(({ state }) => state === 'ready') && named(rows, 'replica').includes(name) && named(rows, 'primary').length === 1
  }, 60_000).catch(async (error: Error) => {
    const log = await readFile(join(directory, 'rig', 'logs', `${name}.log`), 'utf8')
    throw new Error(`${error.message} ${JSON.stringify(await readSession(join(directory, 'rig')))} ${log.split('\n').filter((line) => / (INFO|WARNING|ERROR): /.test(line)).slice(-60).join('\n')}`)
  })
}

async function assertRefusals(directory: string, { ports }: Stage): Promise<void> {
  const without = await finished(await command(directory, ['up', '--stage', '4'], { ports }))
  assert.deepEqual([without.code, without.stderr.includes('Stage 4 with --ha is up')], [1, true])
  const lossy = await finished(await command(directory, ['up', '--stage', '4', '--ha', '--asynchronous'], { ports }))
  assert.equal(lossy.code, 2, 'a cluster that loses what it acknowledged is not to be had')
}

interface Scene { readonly directory: string; readonly stage: Stage; readonly book: Book; readonly token: string; readonly next: () => Wanted }

async function survives(context: TestContext, { directory, stage, book, token, next }: Scene, blow: Blow): Promise<void> {
  const rows = await stage.ps()
  const [primary = ''] = named(rows, 'primary')
  const enough = new AbortController()
  context.after(() => enough.abort()) // a test that fails stops asking, too
  const more = async (count: number) => { const known = book.said.size; await until('more orders are known', () => book.said.size >= known + count, 60_000) }
  const ordering = keepOrdering((order) => book.place(stage, order), next, enough.signal)
  await more(before)
  const reads = openTally()
  const reading = keepReading(stage, token, reads, enough.signal)
  await until('orders are read', () => reads.good.length >= before)

  const pids = await processesOfMember(directory, primary, rows)
  const struckAt = performance.now()
  const end = await blow(pids)
  context.after(end)
  await more(after)
  end()
  await more(after)
  await untilReplica(directory, primary)
  const roles = await stage.ps()
  assert.deepEqual([named(roles, 'primary').length, named(roles, 'replica').includes(primary)], [1, true])
  enough.abort()
  const [orders] = await Promise.all([ordering, reading])
  const errorsMs = Math.max(0, ...orders.bad.map((at) => at - struckAt))
  context.diagnostic(`${primary} struck: the last order in vain was asked for ${Math.round(errorsMs)} ms after; ${orders.bad.length} of ${orders.good.length + orders.bad.length} in vain, ${Math.round(orders.longestMs)} ms the longest; none answered for ${Math.round(longestGapMs(orders))} ms`)
  context.diagnostic(`reads: ${reads.bad.length} of ${reads.good.length + reads.bad.length} in vain (${[...reads.codes].join(', ')}), ${Math.round(reads.longestMs)} ms the longest; none for ${Math.round(longestGapMs(reads))} ms`)
  assert.ok(errorsMs < errorsMsMax && longestGapMs(orders) < errorsMsMax)
  assert.ok(longestGapMs(orders) > 500, 'the primary was missed')
  assert.ok(longestGapMs(reads) < longestGapMs(orders), 'the replicas were read from meanwhile')
}

test('a cluster whose primary is lost under load: every acknowledged order is there once, in its backups too', { skip: await lacks('etcd', 'patroni', 'postgresql'), timeout: 240_000 }, async (context: TestContext) => {
  const { pick, below } = chance(context)
  const directory = await dataDirectory(context)
  const single = await startShop(directory)
  await customer(single, 'early@example.com')
  process.kill(single.pid, 'SIGTERM')
  await single.ended
  const store = join(dirname(directory), 'store')
  const options = { args: ['--ha'], environment: { SHOP_BACKUP: store, SHOP_BACKUP_LOSE_AT_MOST: '1s' } }
  const stage = await startStage(directory, 4, single.ports, options)
  assert.match(stage.stdout(), /^moved \d{4} rows of \d+ tables into the cluster, verified/m)
  await assert.rejects(customer(stage, 'early@example.com'), /409|taken|already/i, 'whoever had an account at stage 1 has it')
  const here = await finished(await command(directory, ['start']))
  assert.deepEqual([here.code, /Another Tenfold process/.test(here.stderr)], [1, true], here.stderr)
  const rows = await stage.ps()
  assert.deepEqual(rows.map(({ name, state }) => `${name} ${state}`), ['etcd ready', 'member-1 ready', 'member-2 ready', 'member-3 ready', 'application ready'])
  assert.deepEqual([named(rows, 'primary').length, named(rows, 'replica').length], [1, 2])
  await assertRefusals(directory, stage)
  for (const args of [['db', 'top'], ['runs'], ['migrate']]) {
    const { code, stderr } = await finished(await command(directory, args))
    assert.equal(code, 0, stderr)
  }

  const shopper = { email: 'shopper@example.com', ...await customer(stage, 'shopper@example.com') }
  const stockBefore = await stockOf(directory)
  const plenty = (await products(stage, 100)).filter(({ stock }) => stock > 300).slice(0, 5).map(({ id }) => id)
  const book = openBook()
  let number = 0
  const next = () => ({ key: `order-${number++}`, ...shopper, items: [{ productId: pick(plenty), quantity: 1 + below(3) }] })
  const scene = { directory, stage, book, next, token: shopper.token }
  await untilBackedUp(directory, rows, options.environment)
  await context.test('killed: errors end in 15 s, reads go on, and it comes back as a replica', (inner) => survives(inner, scene, killed))
  await context.test('frozen, with connections that hang and do not break: so too, and nothing is written to it when it goes on', (inner) => survives(inner, scene, frozen))

  await until('every answer is known', async () => { await Promise.all(book.unknown().map((one) => book.place(stage, one))); return book.unknown().length === 0 })
  let left = {}
  await until('everything is settled', async () => Object.values(left = await underWay(directory)).every((count) => count === 0), 80_000).catch((error: Error) => { throw new Error(`${error.message} ${JSON.stringify(left)}`) })
  await until('every key answers again', () => book.again(stage))
  assert.deepEqual(book.oddities, [])
  const { paid } = await assertBooks(stage, directory, book, stockBefore)
  assert.ok(paid >= before)

  await assertDrill(directory, options.environment)
  process.kill(stage.pid, 'SIGKILL')
  await until('what the killed rig ran is gone', async () => (await processesOf(directory)).length === 0)
  const alone = await finished(await command(directory, ['start']))
  assert.deepEqual([alone.code, /was moved to the cluster .*: go on with tenfold up --ha/.test(alone.stderr)], [1, true], alone.stderr)

  const again = await startStage(directory, 4, single.ports, options)
  await until('one more order is known', () => book.place(again, next()))
  process.kill(again.pid, 'SIGTERM')
  assert.equal((await finished(again, 60_000)).code, 0, 'and it hands over the end of the log')
  await until('what the rig ran is gone', async () => (await processesOf(directory)).length === 0)
  await assertRestored(context, directory, store, [...book.said.values()].flatMap((one) => one.kind === 'order' ? [one.order.id] : []))
})
