/** A retailer's real invoices, placed as orders while the replay and the shop are killed: the table and the ledger are what they must be. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { underWay } from './books.ts'
import { ask } from './client.ts'
import { chance } from './seed.ts'
import { command, dataDirectory, finished, startShop, until } from './shop.ts'
import { sql } from './sql.ts'

interface Report { orders: number; lines: number; units: number; revenue: number; skipped: Record<string, number>; leftOut: Record<string, number>; latencyMs: Record<string, number>; finished: boolean }

const program = 'examples/shop/replay/main.ts'
const admin = { SHOP_ADMIN_EMAIL: 'admin@example.com', SHOP_ADMIN_PASSWORD: 'correct horse' }
const header = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country'

/** What must come out, worked out here and not by the shop: of lines as they stand in the file. */
function expectation(lines: readonly string[], prices: ReadonlyMap<string, number>) {
  const invoices = Map.groupBy(lines.map((line) => line.split(',')), ([number]) => number ?? '')
  const found = { orders: 0, lines: 0, units: 0, revenue: 0, skipped: { cancellation: 0, customer: 0, empty: 0 } }
  for (const [number, rows] of invoices) {
    if (number.startsWith('C')) { found.skipped.cancellation++; continue }
    if (rows.some((row) => row[6] === '')) { found.skipped.customer++; continue }
    const kept = rows.filter((row) => Number(row[3]) >= 1 && prices.has(row[1] ?? ''))
    if (kept.length === 0) { found.skipped.empty++; continue }
    found.orders++
    found.lines += new Set(kept.map((row) => row[1])).size
    for (const row of kept) {
      found.units += Number(row[3])
      found.revenue += Number(row[3]) * (prices.get(row[1] ?? '') ?? 0)
    }
  }
  return found
}

test('killed at any moment, the shop too, and run again: no invoice twice, none lost, the same table and the same ledger', { timeout: 110_000 }, async (context) => {
  const { below, pick } = chance(context)
  const directory = await dataDirectory(context)
  const prices = new Map(Array.from({ length: 30 }, (_, nth) => [`${20_000 + nth}A`, 100 + 7 * nth]))
  const codes = [...prices.keys()]
  const lines = Array.from({ length: 90 }, (_, nth) => nth).flatMap((nth) => {
    const number = `${nth % 13 === 5 ? 'C' : ''}${700 + nth}`
    const rows = Array.from({ length: 1 + below(6) }, () => [number, below(9) === 0 ? 'POST' : pick(codes), 'A NAME', below(9) === 0 ? -1 : 1 + below(20), `12/1/2010 ${8 + Math.floor(nth / 30)}:${String(nth % 60).padStart(2, '0')}`, '1.00', nth % 17 === 3 ? '' : String(17_000 + nth % 7), 'UK'])
    return rows.map((row) => row.join(','))
  })
  // The last lines of the file say what each product costs.
  const file = join(dirname(directory), 'sales.csv')
  await mkdir(dirname(directory), { recursive: true })
  await writeFile(file, [header, ...lines, ...[...prices].map(([code, pence]) => `C999,${code},A NAME,1,12/9/2010 9:00,${(pence / 100).toFixed(2)},1,UK`)].join('\n'))
  const expected = expectation([...lines, 'C999,x,x,1,x,1,1,UK'], prices)

  let shop = await startShop(directory, { environment: { ...admin, SHOP_RATE_LIMIT: '' }, args: ['--data', file] })
  const { ports } = shop
  const replay = (...args: string[]) => command(directory, ['--url', shop.urls.web, ...args, file], { program, environment: admin })
  const placed = async () => (await sql<{ n: number }>(directory, 'select count(*)::int as n from orders.orders').catch(() => []))[0]?.n ?? 0
  for (const victim of ['replay', 'shop', 'both'] as const) {
    const running = await replay()
    const goal = Math.min(expected.orders - 1, await placed() + 3 + below(15))
    await until('it is under way', async () => await placed() >= goal)
    if (victim !== 'shop') process.kill(running.pid, 'SIGKILL')
    if (victim === 'replay') continue
    process.kill(shop.pid, 'SIGKILL')
    await shop.ended
    shop = await startShop(directory, { ports, environment: { ...admin, SHOP_RATE_LIMIT: '' } })
    // The replay that lives waits for the shop, and goes on by itself.
    if (victim !== 'shop') continue
    const { code, stderr } = await finished(running, 60_000)
    assert.equal(code, 0, stderr)
  }
  const interrupted = await replay()
  process.kill(interrupted.pid, 'SIGINT')
  assert.ok([0, 130, null].includes((await finished(interrupted)).code))

  const last = await finished(await replay('--json'))
  const { latencyMs, leftOut, finished: isFinished, ...table } = JSON.parse(last.stdout) as Report & { seconds?: number }
  delete table.seconds
  assert.deepEqual([table, isFinished], [expected, true])
  assert.ok((latencyMs['p50'] ?? 0) > 0 && (latencyMs['p50'] ?? 0) <= (latencyMs['p99'] ?? 0))
  assert.ok((leftOut['quantity'] ?? 0) > 0 && (leftOut['product'] ?? 0) > 0)
  let left: Record<string, number> = {}
  await until('everything is settled', async () => Object.values(left = await underWay(directory)).every((count) => count === 0), 60_000).catch((error: Error) => { throw new Error(`${error.message} ${JSON.stringify(left)}`) })
  const [ledger] = await sql(directory, `select (select count(*)::int from orders.orders where status = 'paid') as orders, (select count(*)::int from orders.order_lines) as lines, (select sum(quantity)::int from orders.order_lines) as units,
    (select sum(total)::int from orders.orders) as revenue, (select sum(1000000 - stock)::int from catalogue.products) as gone, (select count(*)::int from tenfold.dead) as dead`)
  assert.deepEqual(ledger, { orders: expected.orders, lines: expected.lines, units: expected.units, revenue: expected.revenue, gone: expected.units, dead: 0 })
  const { body } = await ask<{ charges: { times: number }[] }>(`${shop.urls.ops}/sandbox/gateway`)
  assert.deepEqual([body.charges.length, body.charges.every(({ times }) => times === 1)], [expected.orders, true])

  const table2 = await finished(await replay())
  assert.match(table2.stdout, new RegExp(`^orders +${expected.orders} +in [\\d.]+ s\\nlines +${expected.lines}\\n`))
})

test('what is wrong with a replay is one sentence', async (context) => {
  const directory = await dataDirectory(context)
  const file = join(import.meta.dirname, '../../examples/shop/data/fixtures/quirks.csv')
  const shop = await startShop(directory)
  const say = async (...args: string[]) => { const { code, stdout, stderr } = await finished(await command(directory, args, { program })); return [code, stdout, stderr.split('\n').filter((line) => line.startsWith('replay:'))] }
  assert.deepEqual(await say(), [2, '', ['replay: Name one file: npm run replay -- FILE']])
  assert.deepEqual(await say(file, '--speed', 'fast'), [2, '', ['replay: --speed is "fast": use a number above 0, 1000000000 at most']])
  assert.deepEqual(await say('/nowhere.csv'), [1, '', ['replay: There is no file /nowhere.csv: check the path.']])
  const [code, , lines] = await say(file, '--url', shop.urls.web)
  assert.equal(code, 0, String(lines)) // no product of this file is in the catalogue: there is nothing to place
})

const realFile = join(import.meta.dirname, '../../../shared/data/online-retail.csv')
test('the real file, where it is there: 400 invoices', { skip: !existsSync(realFile) && 'the real file is not here', timeout: 100_000 }, async (context) => {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory, { environment: admin, args: ['--data', realFile] })
  const { code, stdout, stderr } = await finished(await command(directory, ['--url', shop.urls.web, '--json', realFile], { program, environment: admin }), 90_000)
  assert.equal(code, 0, stderr.slice(-1_000))
  const { orders, lines, units, revenue, skipped, leftOut } = JSON.parse(stdout) as Report
  assert.deepEqual({ orders, lines, units, revenue, skipped, leftOut }, { orders: 400, lines: 7_249, units: 82_765, revenue: 15_899_582, skipped: { cancellation: 43, customer: 68, empty: 1 }, leftOut: { unreadable: 0, quantity: 0, product: 29 } })
})
