import assert from 'node:assert/strict'
import { test } from 'node:test'
import { syntheticCatalogue } from './synthetic.ts'

test('2,000 products within their limits, unique, plausible', () => {
  const products = syntheticCatalogue()
  assert.equal(products.length, 2000)
  assert.equal(new Set(products.map((product) => product.sku)).size, 2000)
  assert.equal(new Set(products.map((product) => product.name)).size, 2000)
  for (const { sku, name, price, stock } of products) {
    assert.match(sku, /^[1-9][0-9]{4}[A-Z]$/)
    assert.match(name, /^[A-Z0-9 .-]{5,80}$/)
    assert.ok(Number.isInteger(price) && price >= 50 && price <= 20_000, `${price}`)
    assert.ok(Number.isInteger(stock) && stock >= 0 && stock <= 1000, `${stock}`)
  }
  assert.ok(products.slice(0, 50).every((product) => product.stock >= 100))
  assert.ok(products.filter((product) => product.stock > 100).length > 1700)
  assert.ok(products.some((product) => product.stock === 0))
})

test('the seed decides, and a shorter catalogue is the beginning of a longer one', () => {
  assert.deepEqual(syntheticCatalogue(300, 7), syntheticCatalogue(1000, 7).slice(0, 300))
  assert.notDeepEqual(syntheticCatalogue(10, 7), syntheticCatalogue(10, 8))
  assert.deepEqual(syntheticCatalogue(1), [{ sku: '66436R', name: 'BOX OF 12 WHITE HEART COAT HANGER', price: 16595, stock: 652 }])
})

test('as many as there are skus for, whatever the seed', () => {
  for (const seed of [0, -1, 3.7, 2 ** 40, Number.NaN]) {
    const products = syntheticCatalogue(60_000, seed)
    assert.equal(new Set(products.map((product) => product.sku)).size, 60_000)
    assert.equal(new Set(products.map((product) => product.name)).size, 60_000)
  }
  assert.deepEqual(syntheticCatalogue(0), [])
  for (const count of [-1, 1.5, 3_000_000]) assert.throws(() => syntheticCatalogue(count), RangeError)
})
