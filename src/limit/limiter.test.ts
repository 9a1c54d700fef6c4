import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Clock } from '../base/index.ts'
import { createLimiter } from './limiter.ts'

/** Stands still until it is moved. */
function stillClock() {
  let at = 5_000_000.123_4
  return { clock: { monotonic: () => at } as Clock, move: (ms: number) => { at += ms }, now: () => at }
}
const seed = Number(process.env['TENFOLD_SEED'] ?? 1)

test('at most so many in a window, wherever it begins: the first of them comes back when its own window is over', () => {
  const { clock, move } = stillClock()
  const limiter = createLimiter(clock, { perAddress: undefined, on: true })
  const ask = () => limiter.count('sign-in', 'ann', '10/min')
  for (let nth = 0; nth < 10; nth++) {
    assert.deepEqual(ask(), { allowed: true, limit: 10, windowSeconds: 60, remaining: 9 - nth, resetSeconds: 60 - 5 * nth })
    move(5_000)
  }
  assert.deepEqual(ask(), { allowed: false, limit: 10, windowSeconds: 60, remaining: 0, resetSeconds: 10 }, 'a minute has not passed since the first')
  move(9_999)
  assert.equal(ask().resetSeconds, 1)
  assert.equal(ask().allowed, false)
  move(1)
  assert.equal(ask().allowed, true)
  assert.equal(ask().allowed, false, 'and no more than one')
  move(60_000)
  assert.equal(ask().remaining, 9)
})

test('six hundred a minute: the 601st is refused in the whole minute, and not after it', () => {
  const { clock, move } = stillClock()
  const limiter = createLimiter(clock, { perAddress: '600/min', on: true })
  const ask = () => limiter.count('address', '1.2.3.4', '600/min')
  for (let nth = 0; nth < 600; nth++) {
    assert.equal(ask().allowed, true)
    move(50)
  }
  for (let nth = 0; nth < 299; nth++) {
    assert.equal(ask().allowed, false, `at ${30 + nth / 10} s`)
    move(100)
  }
  move(100)
  assert.ok(ask().allowed)
})

test('subjects and rules are counted apart, and what is refused costs nothing', () => {
  const { clock, move } = stillClock()
  const limiter = createLimiter(clock, { perAddress: undefined, on: true })
  for (let nth = 0; nth < 1_000; nth++) limiter.count('a', 'x', '2/s')
  assert.equal(limiter.count('a', 'x', '2/s').allowed, false)
  assert.equal(limiter.count('b', 'x', '2/s').allowed, true)
  assert.equal(limiter.count('a', 'y', '2/s').allowed, true)
  move(1_000)
  assert.equal(limiter.count('a', 'x', '2/s').remaining, 1)
})

test('against a list of all times: never more, and less only by a twentieth of the window', () => {
  const { clock, move, now } = stillClock()
  const limiter = createLimiter(clock, { perAddress: undefined, on: true })
  let subjects = 0
  fc.assert(fc.property(fc.integer({ min: 1, max: 60 }), fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 150 }), (count, pauses) => {
    const subject = String(++subjects)
    const allowed: number[] = []
    for (const pause of pauses) {
      move(pause)
      const within = (ms: number) => allowed.filter((at) => at > now() - ms).length
      const verdict = limiter.count('rule', subject, `${count}/s`)
      assert.equal(verdict.remaining >= 0 && verdict.resetSeconds >= 1 && verdict.remaining <= count, true)
      if (verdict.allowed) {
        assert.ok(within(count > 20 ? 950 : 1_000) < count, 'one too many')
        allowed.push(now())
      } else assert.ok(within(1_000) >= count, 'one too few')
    }
  }), { seed, numRuns: 100 })
})

test('a flood of subjects takes a bounded amount of memory', () => {
  const { clock } = stillClock()
  const limiter = createLimiter(clock, { perAddress: undefined, on: true })
  for (let nth = 0; nth < 150_000; nth++) limiter.count('address', String(nth), '1/min')
  assert.equal(limiter.count('address', '149999', '1/min').allowed, false, 'the latest are known')
  assert.equal(limiter.count('address', '0', '1/min').allowed, true, 'the oldest are forgotten')
})
