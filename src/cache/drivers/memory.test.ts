import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryDriver } from './memory.ts'

const entry = (value: unknown) => ({ value, freshUntil: 1, staleUntil: 2 })

test('it keeps what it is given, up to its limit, and drops what was used longest ago', () => {
  const memory = memoryDriver(2)
  const driver = { ...memory.section('one'), size: memory.size }
  driver.set('a', entry(1), 1)
  driver.set('b', entry(2), 1)
  assert.deepEqual(driver.get('a'), entry(1))
  driver.set('c', entry(3), 1)
  assert.deepEqual([driver.get('b'), driver.get('a')?.value, driver.get('c')?.value, driver.size()], [undefined, 1, 3, 2])
  driver.set('a', entry(4), 1)
  assert.deepEqual([driver.get('a')?.value, driver.size()], [4, 2])
})

test('it forgets one, or all', () => {
  const memory = memoryDriver(5)
  const driver = { ...memory.section('one'), size: memory.size, clear: memory.clear }
  for (const key of ['a', 'b', 'c']) driver.set(key, entry(key), 1)
  driver.delete('a')
  driver.delete('nobody')
  assert.deepEqual([driver.get('a'), driver.size()], [undefined, 2])
  driver.clear()
  assert.deepEqual([driver.get('b'), driver.size()], [undefined, 0])
})

test('sections share the limit: the largest gives way, and none sees another', () => {
  const memory = memoryDriver(4)
  const [large, small] = [memory.section('large'), memory.section('small')]
  for (const key of ['a', 'b', 'c']) large.set(key, entry(key), 1)
  for (const key of ['a', 'b']) small.set(key, entry(`small ${key}`), 1)
  assert.deepEqual([large.get('a'), large.get('b')?.value, small.get('a')?.value, small.get('b')?.value, memory.size()], [undefined, 'b', 'small a', 'small b', 4])
  small.clear()
  assert.deepEqual([small.get('a'), large.get('c')?.value, memory.section('large').get('c')?.value], [undefined, 'c', 'c'])
})
