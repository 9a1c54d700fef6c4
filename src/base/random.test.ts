import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { backoffMs } from './backoff.ts'
import { type Random, seededRandom, systemRandom } from './random.ts'

test('a seed repeats a run, and another seed does not', () => {
  const draw = (seed: number) => { const random = seededRandom(seed); return [...Array.from({ length: 5 }, random.float), random.bytes(8).toString('hex')] }
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
  assert.deepEqual(draw(2 ** 32 + 7), draw(7), 'a seed has 32 bits')
})

test('chance is even, and never 1', () => {
  for (const random of [seededRandom(1), systemRandom]) {
    const tenths = Array.from({ length: 10 }, () => 0)
    for (let draw = 0; draw < 20_000; draw++) {
      const value = random.float()
      assert.ok(value >= 0 && value < 1)
      tenths[Math.floor(value * 10)]! += 1
    }
    assert.ok(Math.min(...tenths) > 1_700 && Math.max(...tenths) < 2_300, tenths.join())
    assert.equal(random.bytes(33).length, 33)
  }
})

test('a pause grows with each attempt, within its bounds', () => {
  fc.assert(fc.property(fc.integer(), fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 600_000 }), (seed, attempt, base, most) => {
    const pause = backoffMs(seededRandom(seed), attempt, base, most)
    assert.ok(pause >= 0 && pause < Math.min(most, base * 2 ** attempt), String(pause))
  }))
  const half: Random = { ...systemRandom, float: () => 0.5 }
  assert.deepEqual([0, 1, 2, 3, 9].map((attempt) => backoffMs(half, attempt, 100, 1_000)), [50, 100, 200, 400, 500])
})
