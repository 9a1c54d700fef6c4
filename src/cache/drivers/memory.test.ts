import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryDriver } from './memory.ts'

const entry = (value: unknown) => ({ value, freshUntil: 1, staleUntil: 2 })

test('it keeps what it is given, up to its limit, and drops what was used longest ago', () => {
  const driver = memoryDriver(2)
  driver.set('a', entry(1), 1)
  driver.set('b', entry(2), 1)
  assert.deepEqual(driver.get('a'), entry(1))
  driver.set('c', entry(3), 1)
  assert.deepEqual([driver.get('b'), driver.get('a')?.value, driver.get('c')?.value, driver.size()], [undefined, 1, 3, 2])
  driver.set('a', entry(4), 1)
  assert.deepEqual([driver.get('a')?.value, driver.size()], [4, 2])
})

test('it forgets one, or all', () => {
  const driver = memoryDriver(5)
  for (const key of ['a', 'b', 'c']) driver.set(key, entry(key), 1)
  driver.delete('a')
  driver.delete('nobody')
  assert.deepEqual([driver.get('a'), driver.size()], [undefined, 2])
  driver.clear()
  assert.deepEqual([driver.get('b'), driver.size()], [undefined, 0])
})
