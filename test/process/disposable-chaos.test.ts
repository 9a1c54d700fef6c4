/** Promise 9: `kill -9` of any process at any moment breaks none of the others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertBooks, stockOf, underWay } from './books.ts'
import { ask, customer, type GatewayFault, type Order, products, setGateway } from './client.ts'
import { postmasterOf } from './processes.ts'
import { chance } from './seed.ts'
import { dataDirectory, type Shop, startShop, until } from './shop.ts'
import { openBook, type Wanted } from './shopper.ts'

const rounds = ['shop', 'postgres', 'shop', 'postgres', 'shop'] as const
const ordersEach = 25
const atOnce = 16
/** A round's victim dies at most this long after some of the round's orders were answered, in milliseconds. */
const killWithinMs = 100
/** Leases of what was killed end in 30 s at most, and a pause between two tries of an order is 30 s at most. */
const settleMs = 100_000
const faults: readonly GatewayFault[] = ['none', 'none', 'slow', 'error', 'down', 'duplicate', 'declined']

test('orders placed while processes are killed: each ends once, charged once, and every book agrees', { timeout: 200_000 }, async (context) => {
  const { below, float, pick } = chance(context)
  const directory = await dataDirectory(context)
  let shop = await startShop(directory)
  const { ports } = shop
  const shoppers = await Promise.all([0, 1, 2].map(async (number) => ({ email: `shopper-${number}@example.com`, ...await customer(shop, `shopper-${number}@example.com`) })))
  const stockBefore = await stockOf(directory)
  const shown = await products(shop, 100)
  const [scarce] = shown.filter(({ stock }) => stock > 0 && stock < 40).map(({ id }) => id)
  const plenty = shown.filter(({ stock }) => stock > 300).slice(0, 5).map(({ id }) => id)
  const book = openBook()
  const order = (key: string): Wanted => {
    const wanted = new Set([pick(plenty), pick(plenty), ...(scarce && below(4) === 0 ? [scarce] : [])])
    return { key, ...pick(shoppers), items: [...wanted].map((productId) => ({ productId, quantity: 1 + below(3) })) }
  }

  for (const [round, victim] of rounds.entries()) {
    // What is not known from earlier rounds is asked again among what is new.
    const queue = [...book.unknown(), ...Array.from({ length: ordersEach }, (_, number) => order(`round-${round}-${number}`))].map((one) => ({ one, at: float() })).toSorted((a, b) => a.at - b.at).map(({ one }) => one)
    const fault = pick(faults)
    await setGateway(shop, fault)
    const pid = victim === 'shop' ? shop.pid : await postmasterOf(directory)
    let answers = 0
    const placing = Array.from({ length: atOnce }, async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        await book.place(shop, next)
        answers++
      }
    })
    if (below(2)) void setGateway(shop, pick(faults)).catch(() => {}) // the gateway changes its mind meanwhile; perhaps too late
    const [wanted, afterMs] = [below(ordersEach - atOnce + 5), below(killWithinMs)]
    await until('some are answered', () => answers >= wanted)
    await new Promise<void>((resolve) => { setTimeout(() => { process.kill(pid, 'SIGKILL'); resolve() }, afterMs) })
    await Promise.all(placing)
    context.diagnostic(`round ${round}: ${fault}, ${victim} killed ${afterMs} ms after ${wanted} answers, ${book.unknown().length} of ${book.wanted.length} unknown`)
    if (victim === 'shop') {
      await shop.ended
      shop = await startShop(directory, { ports })
    } else await until('Postgres is back', () => isReady(shop))
  }

  await setGateway(shop, 'none')
  const learn = async () => { await Promise.all(book.unknown().map((one) => book.place(shop, one))) }
  // Once more in full swing: what was waiting is being paid, and each payment is told to those who make receipts, write mails and count.
  const waiting = book.unknown().length
  await until('half of the answers are known', async () => {
    void learn()
    return book.unknown().length <= waiting / 2 && (await underWay(directory))['behind'] !== 0
  }, settleMs)
  process.kill(shop.pid, 'SIGKILL')
  await shop.ended
  shop = await startShop(directory, { ports })
  await until('every answer is known', async () => { await learn(); return book.unknown().length === 0 }, settleMs)
  const settledIn = performance.now()
  let left: Record<string, number> = {}
  await until('everything is settled', async () => {
    left = await underWay(directory)
    return Object.values(left).every((count) => count === 0)
  }, settleMs).catch((error: Error) => { throw new Error(`${error.message} ${JSON.stringify(left)} ${shop.stderr().slice(-4_000)}`) })
  context.diagnostic(`all was settled ${Math.round((performance.now() - settledIn) / 1000)} s after the last answer`)
  await until('every key answers again, as it stands now', () => book.again(shop))
  assert.deepEqual(book.oddities, [])
  for (const said of book.said.values()) if (said.kind === 'order') assert.match(said.order.status, /^(paid|declined)$/)
  const { paid, declined } = await assertBooks(shop, directory, book, stockBefore)
  context.diagnostic(`${paid} paid, ${declined} declined, ${book.wanted.length - paid - declined} refused`)
  assert.ok(paid > 0)
  const [first] = book.wanted
  const other = await ask<Order>(`${shop.urls.web}/v1/orders`, { method: 'POST', token: first?.token ?? '', key: first?.key ?? '', body: { items: [{ productId: plenty[0], quantity: 9 }] } })
  assert.equal(other.status, 422, 'another body under a known key')
})

async function isReady(shop: Shop): Promise<boolean> {
  return (await ask(`${shop.urls.ops}/readyz`).catch(() => undefined))?.status === 200
}
