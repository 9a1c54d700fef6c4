import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatPence, maxPence, parsePence } from './money.ts'

test('pence are written with separators and two decimals', () => {
  const written = [0, 5, 50, 100, 99_999, 123_456, 100_000_000, -5, -123_456].map(formatPence)
  assert.deepEqual(written, ['£0.00', '£0.05', '£0.50', '£1.00', '£999.99', '£1,234.56', '£1,000,000.00', '-£0.05', '-£1,234.56'])
  for (const wrong of [1.5, Number.NaN, Infinity, 2 ** 60]) assert.throws(() => formatPence(wrong), RangeError)
})

test('decimal texts are read exactly, half a penny rounds up', () => {
  const read = { '2.55': 255, '2.1': 210, '3': 300, '.5': 50, '4.': 400, '+1.00': 100, '0': 0, '-0': 0, '-11062.06': -1_106_206, '1.005': 101, '1.0049999': 100, '8.575': 858, '0.001': 0, '0.005': 1, '1.995': 200, '-1.005': -101 }
  for (const [text, pence] of Object.entries(read)) assert.equal(parsePence(text), pence, text)
  for (const text of ['', '.', '-', 'abc', '1,234.50', '1e3', '£2', '1.2.3', ' 1', 'NaN', '٣', '1000000.01', '99999999999']) assert.equal(parsePence(text), undefined, text)
  assert.equal(parsePence('1000000.00'), maxPence)
})

test('every amount of pence is read back as it was written', () => {
  fc.assert(fc.property(fc.integer({ min: -maxPence, max: maxPence }), (pence) => {
    assert.equal(parsePence(formatPence(pence).replaceAll(/[£,]/g, '')), pence)
  }))
})
