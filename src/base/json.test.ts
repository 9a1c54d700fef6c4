import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, deepFreeze, fingerprint, overTheWire } from './json.ts'

/** The same value, its keys in another order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).toReversed().map(([name, field]) => [name, reversed(field)]))
}

test('equal values have one text, whatever the order of their keys', () => {
  assert.equal(canonicalJson({ b: 1, a: [{ d: null, c: 'x' }] }), '{"a":[{"c":"x","d":null}],"b":1}')
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    assert.equal(canonicalJson(reversed(value)), canonicalJson(value))
  }))
})

test('the text says what JSON would say', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)))
  }))
  const date = new Date(1_800_000_000_000)
  assert.equal(canonicalJson({ date, gone: undefined, list: [undefined, Number.NaN, -0] }), '{"date":"2027-01-15T08:00:00.000Z","list":[null,null,0]}')
  assert.equal(canonicalJson(undefined), 'null')
})

test('different values have different texts', () => {
  const values = [null, 0, '', false, [], {}, '0', [0], [[0]], { a: 0 }, { a: '0' }, { a: null }, ['a', 0], '{"a":0}', { 'a":0,"b': 1 }, { a: 0, b: 1 }, [1, 2], [2, 1]]
  assert.equal(new Set(values.map(canonicalJson)).size, values.length)
  assert.equal(new Set(values.map(fingerprint)).size, values.length)
})

test('a fingerprint is 32 hexadecimal digits, of the value and not of its form', () => {
  assert.match(fingerprint({ a: 1 }), /^[0-9a-f]{32}$/)
  assert.equal(fingerprint({ a: 1, b: [2] }), fingerprint({ b: [2], a: 1, c: undefined }))
  assert.notEqual(fingerprint({ a: [1, 2] }), fingerprint({ a: [2, 1] }))
})

test('over the wire goes only what JSON can say', () => {
  const given = { at: new Date(0), gone: undefined, list: [1, { deep: true }] }
  const there = overTheWire(given) as unknown
  assert.deepEqual(there, { at: '1970-01-01T00:00:00.000Z', list: [1, { deep: true }] })
  assert.equal(overTheWire(undefined), undefined)
  assert.equal(overTheWire(null), null)
})

test('what is frozen is frozen through and through', () => {
  const given = { list: [{ deep: { deeper: 1 } }], bytes: new Uint8Array(2), nothing: null }
  const frozen = deepFreeze(given)
  assert.equal(frozen, given)
  assert.throws(() => { frozen.list.push({ deep: { deeper: 2 } }) }, TypeError)
  assert.throws(() => { (frozen.list[0] as { deep: { deeper: number } }).deep.deeper = 2 }, TypeError)
  frozen.bytes[0] = 1 // bytes cannot be frozen, and are left alone
  const shallow = deepFreeze(Object.freeze({ list: [1] }))
  assert.throws(() => { shallow.list.push(2) }, TypeError, 'also what hangs on something frozen')
  const circle: { self?: unknown } = {}
  circle.self = circle
  assert.equal(deepFreeze(circle), circle)
  assert.equal(deepFreeze(7), 7)
})
