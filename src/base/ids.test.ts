import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketCount, bucketOf, deriveId, digestId } from './ids.ts'

const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const atMs = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const bucket = fc.integer({ min: 0, max: bucketCount - 1 })

test('an id carries its bucket, whatever else it is made of', () => {
  fc.assert(fc.property(fc.string(), fc.string(), atMs, bucket, (seed, label, at, chosen) => {
    const id = deriveId(seed, label, at, chosen)
    assert.match(id, shape)
    assert.equal(bucketOf(id), chosen)
  }))
})

test('without a bucket the digest chooses one, and the id carries it all the same', () => {
  const buckets = new Set<number>()
  for (let number = 0; number < 1000; number++) {
    const id = deriveId(`seed ${number}`, 'order', 1_800_000_000_000)
    assert.match(id, shape)
    buckets.add(bucketOf(id))
  }
  assert.ok(buckets.size > 850, `1,000 ids fell into ${buckets.size} buckets`)
})

test('ids sort by time, across all buckets', () => {
  fc.assert(fc.property(fc.tuple(atMs, atMs).filter(([a, b]) => a < b), bucket, bucket, fc.string(), ([earlier, later], one, other, seed) => {
    assert.ok(deriveId(seed, 'a', earlier, one) < deriveId(seed, 'b', later, other))
  }))
})

test('the same call and label are the same id; any other is another', () => {
  const id = deriveId('call', 'order', 1_800_000_000_000, 7)
  assert.equal(id, '01a3185c-5000-8007-8d8e-e545106483ca', 'as rows hold it: 48 bits of time, the version, the bucket, the digest')
  assert.equal(deriveId('call', 'order', 1_800_000_000_000, 7), id)
  assert.equal(deriveId('call', 'order', 1_800_000_000_000.9, 7), id, 'a part of a millisecond is none')
  const others = [deriveId('other', 'order', 1_800_000_000_000, 7), deriveId('call', 'line', 1_800_000_000_000, 7), deriveId('call', 'order', 1_800_000_000_001, 7), deriveId('call', 'order', 1_800_000_000_000, 8)]
  assert.equal(new Set([id, ...others]).size, 5)
  assert.match(deriveId('call', 'order', -1, 7), /^00000000-0000-8007-/)
})

test('ids of one call do not meet', () => {
  const ids = Array.from({ length: 20_000 }, (_, index) => deriveId('call', String(index), 1_800_000_000_000, 0))
  assert.equal(new Set(ids).size, ids.length)
})

test('a digest alone is an id too', () => {
  assert.match(digestId('event main 7'), shape)
  assert.equal(digestId('event main 7'), digestId('event main 7'))
  assert.notEqual(digestId('event main 7'), digestId('event main 8'))
  assert.equal(bucketOf(digestId('event main 7')), Number.parseInt(digestId('event main 7').slice(15, 18), 16))
})

test('any other key falls into a bucket of its own choosing, evenly, and always the same', () => {
  const counts = Array.from({ length: bucketCount }, () => 0)
  for (let number = 0; number < 40 * bucketCount; number++) counts[bucketOf(`customer-${number}`)]! += 1
  assert.ok(Math.min(...counts) > 10 && Math.max(...counts) < 90, `${Math.min(...counts)} to ${Math.max(...counts)} where 40 are even`)
  assert.equal(bucketOf(42), bucketOf('42'))
  for (const key of ['', 'ann@example.com', '6f9619ff-8b86-4d01-b42d-00cf4fc964ff', 0, -1, 2 ** 53]) {
    const found = bucketOf(key)
    assert.ok(Number.isInteger(found) && found >= 0 && found < bucketCount, `${key}: ${found}`)
  }
})
