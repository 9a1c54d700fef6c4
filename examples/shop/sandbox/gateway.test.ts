import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startGateway, type Gateway } from './gateway.ts'

const directory = mkdtempSync(join(tmpdir(), 'tenfold-gateway-'))
const opened: Gateway[] = []
after(async () => {
  for (const gateway of opened) await gateway.close()
  rmSync(directory, { recursive: true })
})

async function setUp(name: string, slowMs = 1) {
  const gateway = await startGateway({ file: join(directory, name), slowMs })
  opened.push(gateway)
  async function charge(key: string, orderId = key, amount = 500, signal?: AbortSignal) {
    const answer = await fetch(`${gateway.url}/charges`, {
      method: 'POST', headers: { 'idempotency-key': key }, body: JSON.stringify({ orderId, amount }), ...(signal === undefined ? {} : { signal }),
    })
    return { status: answer.status, body: await answer.json() as { outcome?: string; chargeId?: string } }
  }
  return { gateway, charge, change: (fault: string) => gateway.change({ fault }) }
}

test('a key is charged once and gets its first result again, also after a restart', async () => {
  const { gateway, charge } = await setUp('once')
  const first = await charge('k1')
  assert.equal(first.status, 200)
  assert.equal(first.body.outcome, 'paid')
  assert.deepEqual(await charge('k1'), first)
  const repeats = await Promise.all(Array.from({ length: 20 }, () => charge('k2')))
  assert.equal(new Set(repeats.map((repeat) => repeat.body.chargeId)).size, 1)
  assert.deepEqual(gateway.charges(), [{ orderId: 'k1', amount: 500, times: 1 }, { orderId: 'k2', amount: 500, times: 1 }])
  const again = await setUp('once')
  assert.deepEqual(await again.charge('k1'), first)
  assert.deepEqual(again.gateway.charges(), gateway.charges())
})

test('two keys for one order are two charges, and the look-up says so', async () => {
  const { gateway, charge } = await setUp('twice')
  await charge('k1', 'order')
  await charge('k2', 'order')
  await charge('k3', 'other')
  const answer = await fetch(`${gateway.url}/charges?orderId=order`)
  assert.deepEqual(await answer.json(), { charges: [{ orderId: 'order', amount: 500, times: 2 }] })
})

test('declined charges nothing, and the key remembers it when the fault is gone', async () => {
  const { gateway, charge, change } = await setUp('declined')
  await charge('paid before')
  await change('declined')
  assert.deepEqual(await charge('k1'), { status: 402, body: { outcome: 'declined' } })
  assert.equal((await charge('paid before')).body.outcome, 'paid')
  await change('none')
  assert.deepEqual(await charge('k1'), { status: 402, body: { outcome: 'declined' } })
  assert.deepEqual(gateway.charges('k1'), [])
})

test('error and slow charge all the same; duplicate answers 409 with the first result to a key seen before', async () => {
  const { gateway, charge, change } = await setUp('faults')
  await change('error')
  assert.equal((await charge('k1')).status, 500)
  assert.equal((await charge('k1')).status, 500)
  await change('slow')
  const slow = await charge('k3')
  assert.equal(slow.status, 200)
  await change('duplicate')
  assert.equal((await charge('k4')).status, 200)
  assert.deepEqual(await charge('k3'), { status: 409, body: slow.body })
  assert.equal((await charge('k1')).body.outcome, 'paid')
  assert.deepEqual(gateway.charges().map((row) => [row.orderId, row.times]), [['k1', 1], ['k3', 1], ['k4', 1]])
})

test('slow charges at once: a caller that gives up gets the first result later', async () => {
  const { gateway, charge, change } = await setUp('slow', 600_000)
  await change('slow')
  const givenUp = new AbortController()
  const tooLong = assert.rejects(charge('k1', 'k1', 500, givenUp.signal), { name: 'AbortError' })
  while (gateway.charges().length === 0) await new Promise(setImmediate)
  givenUp.abort()
  await tooLong
  await change('none')
  assert.equal((await charge('k1')).body.outcome, 'paid')
  assert.equal(gateway.charges()[0]?.times, 1)
})

test('down refuses connections and breaks those that wait; lifted, it is back on the same port', async () => {
  const { gateway, charge, change } = await setUp('down', 600_000)
  await change('slow')
  const waiting = assert.rejects(charge('k1'), (error: Error) => (error.cause as NodeJS.ErrnoException).code === 'ECONNRESET' || /other side closed/.test(String(error.cause)))
  while (gateway.charges().length === 0) await new Promise(setImmediate)
  await change('down')
  await waiting
  await assert.rejects(charge('k1'), (error: Error) => (error.cause as NodeJS.ErrnoException).code === 'ECONNREFUSED')
  await Promise.all([change('none'), change('down'), change('down'), change('none')])
  assert.equal((await charge('k1')).status, 200)
  assert.equal(gateway.charges('k1')[0]?.times, 1)
})

test('bad requests are refused and charge nothing; a bad fault is refused with the names of the good ones', async () => {
  const { gateway, charge, change } = await setUp('bad')
  assert.equal((await charge('')).status, 400)
  for (const amount of [-1, 1.5, Number.NaN, '5' as never]) assert.equal((await charge('k', 'o', amount)).status, 422)
  const malformed = await fetch(`${gateway.url}/charges`, { method: 'POST', headers: { 'idempotency-key': 'k' }, body: '{' })
  assert.equal(malformed.status, 400)
  assert.equal((await fetch(`${gateway.url}/nothing`)).status, 404)
  assert.deepEqual(gateway.charges(), [])
  for (const body of [undefined, null, {}, { fault: 'on fire' }, { fault: 1 }, []]) {
    const answer = await gateway.change(body)
    assert.equal(answer.status, 422)
    assert.match(JSON.stringify(answer.body), /none, slow, error, down, duplicate, declined/)
  }
  assert.equal(gateway.fault, 'none')
  assert.deepEqual(await change('error'), { status: 200, body: { fault: 'error' } })
})
