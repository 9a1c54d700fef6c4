import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache } from './standalone.ts'

test('a function is remembered by its arguments: one load for all who ask at once, a new one once it was dropped', async () => {
  const cache = createCache()
  const loads: string[] = []
  const gate = Promise.withResolvers<void>()
  const price = cache.around('price', { ttl: '1h' }, async (sku: string, options?: { currency: string }) => {
    const pence = loads.push(`${sku} ${options?.currency}`)
    await gate.promise
    return { sku, pence }
  })
  const crowd = [price('a'), price('a'), price('a'), price('b'), price('a', { currency: 'EUR' })]
  gate.resolve()
  const [one, two] = await Promise.all(crowd)
  assert.equal(one, two)
  assert.deepEqual(loads, ['a undefined', 'b undefined', 'a EUR'])
  assert.throws(() => { (one as { pence: number }).pence = 0 }, TypeError, 'what is shared cannot be changed')
  price.drop('a')
  assert.equal((await price('a')).pence, 4)
  assert.equal((await price('b')).pence, 2)
  price.dropAll()
  assert.deepEqual([(await price('b')).pence, (await price('a', { currency: 'EUR' })).pence], [5, 6])
  assert.throws(() => cache.around('price', { ttl: '1h' }, async () => 1), { code: 'definition' })
})

test('a load that was under way when its key was dropped is kept by nobody; an error is nobody\'s answer', async () => {
  const cache = createCache({ entries: 2 })
  const gates = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  let loads = 0
  const read = cache.around('read', { ttl: '1h' }, (_key: string) => gates[loads++]?.promise ?? Promise.reject(new Error('down')))
  const old = read('k')
  read.drop('k')
  const fresh = read('k')
  gates[1]?.resolve('new')
  assert.equal(await fresh, 'new')
  gates[0]?.resolve('old')
  assert.equal(await old, 'old')
  assert.equal(await read('k'), 'new')
  await assert.rejects(read('other'), /down/)
  await assert.rejects(read('other'), /down/)
  assert.equal(loads, 4)
})
