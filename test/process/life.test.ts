import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { test } from 'node:test'
import { ask, customer, type Order, products } from './client.ts'
import { processesOf } from './processes.ts'
import { sql } from './sql.ts'
import { command, dataDirectory, finished, interrupt, startShop, until } from './shop.ts'

/** Of a first answer, in milliseconds: thrice what the issue allows, for a machine that runs other tests beside this one. */
const firstStartMs = 30_000
const secondStartMs = 9_000

test('the first start fills the catalogue; the second is faster, and the data is still there; Ctrl-C and SIGTERM leave nothing running', async (context) => {
  const directory = await dataDirectory(context)
  const first = await startShop(directory)
  assert.ok(first.readyMs < firstStartMs, `the first start took ${first.readyMs} ms`)
  assert.match(first.stderr(), /filling the catalogue: 2000 products/)
  assert.match(first.stderr(), /curl '/)
  const shown = (await products(first, 100)).filter(({ stock }) => stock > 10)
  assert.equal((await stat(directory)).mode & 0o066, 0, 'what holds secrets is for its owner only to read')
  const { token } = await customer(first, 'ann@example.com')
  const body = { items: [{ productId: shown[0]?.id, quantity: 2 }] }
  const order = await ask<Order>(`${first.urls.web}/v1/orders`, { method: 'POST', token, key: 'one', body })
  assert.deepEqual([order.status, order.body.status], [201, 'paid'])

  interrupt(first)
  const left = await finished(first)
  assert.deepEqual([left.code, left.signal, await processesOf(directory)], [0, null, []], left.stderr)
  assert.match(left.stderr, /left\n$/)

  const second = await startShop(directory)
  assert.ok(second.readyMs < Math.min(secondStartMs, first.readyMs), `the second start took ${second.readyMs} ms, the first ${first.readyMs} ms`)
  assert.doesNotMatch(second.stderr(), /filling|migrating/)
  assert.deepEqual((await products(second, 100)).filter(({ stock }) => stock > 10).map(({ id }) => id), shown.map(({ id }) => id))
  assert.deepEqual((await ask<Order>(`${second.urls.web}/v1/orders/${order.body.id}`, { token })).body.items, order.body.items)
  assert.deepEqual((await ask<Order>(`${second.urls.web}/v1/orders`, { method: 'POST', token, key: 'one', body })).body, order.body)

  // npm passes on the signal that it got, also where the terminal has sent it to all: that is no second Ctrl-C.
  process.kill(second.pid, 'SIGTERM')
  process.kill(second.pid, 'SIGINT')
  await until('it is leaving', () => second.stderr().includes('leaving'))
  process.kill(second.pid, 'SIGTERM')
  const stopped = await finished(second)
  assert.deepEqual([stopped.code, stopped.signal, await processesOf(directory)], [0, null, []], stopped.stderr)
  assert.match(stopped.stderr, /left\n$/)
})

test('a start that is interrupted before it is ready leaves nothing running, and nothing half made', async (context) => {
  const directory = await dataDirectory(context)
  for (const sign of ['Creating a database', 'migrating', 'filling the catalogue']) {
    const starting = await command(directory, ['start'])
    await until(`it says ${sign}`, () => starting.stderr().includes(sign))
    interrupt(starting)
    const { code, stdout, stderr } = await finished(starting)
    assert.deepEqual([code, stdout, await processesOf(directory)], [130, '', []], `${sign}: ${stderr}`)
  }
  // Half filled, it goes on filling.
  const shop = await startShop(directory)
  assert.deepEqual(await sql(directory, `select count(*)::int as products from catalogue.products`), [{ products: 2000 }])
  assert.equal((await products(shop, 1)).length, 1)
})

test('whoever reads what it says may be gone, or his disk full: it goes on, and leaves when it is told to', async (context) => {
  for (const output of ['closed', 'full'] as const) {
    const directory = await dataDirectory(context)
    const shop = await command(directory, ['start'], { environment: { TENFOLD_LOG: 'info' }, output })
    await until('it is ready', async () => (await ask(`${shop.urls.ops}/readyz`).catch(() => undefined))?.status === 200)
    for (let nth = 0; nth < 100; nth++) assert.equal((await ask(`${shop.urls.web}/v1/products?limit=1`)).status, 200)
    process.kill(shop.pid, 'SIGTERM')
    const { code, signal } = await finished(shop)
    assert.deepEqual([code, signal, await processesOf(directory)], [0, null, []], output)
  }
})
