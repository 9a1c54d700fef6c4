import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isTenfoldError } from '../base/index.ts'
import { movableClock } from '../testing/clock.ts'
import { deadlineIn, raceDeadline } from './deadline.ts'

const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 250, `${actual} is not about ${expected}`)
const never = new Promise<never>(() => {})

describe('a deadline', () => {
  test('says how long is left, never less than nothing', () => {
    const clock = movableClock()
    const deadline = deadlineIn(clock, 60_000)
    near(deadline.remainingMs(), 60_000)
    clock.move(40_000)
    near(deadline.remainingMs(), 20_000)
    deadline.check('orders.place')
    clock.move(40_000)
    assert.equal(deadline.remainingMs(), 0)
    assert.throws(() => deadline.check('orders.place'), (error: unknown) => isTenfoldError(error, 'timeout') && error.message === 'orders.place passed its time limit: try again, or raise its timeout.')
  })

  test('inside another one is that one or an earlier one', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 6 }), (timeouts) => {
      const clock = movableClock()
      const [first = 0, ...others] = timeouts
      near(others.reduce((deadline, timeoutMs) => deadline.within(timeoutMs), deadlineIn(clock, first)).remainingMs(), Math.min(...timeouts))
    }))
    const clock = movableClock()
    const outer = deadlineIn(clock, 10_000)
    assert.equal(outer.within(20_000), outer, 'a longer one adds nothing')
    const inner = outer.within(4_000)
    clock.move(5_000)
    assert.equal(inner.remainingMs(), 0)
    near(outer.remainingMs(), 5_000)
  })

  test('aborts its signal when the time is over, and says why', () => {
    const clock = movableClock()
    const { signal } = deadlineIn(clock, 10_000)
    clock.move(9_000)
    assert.equal(signal.aborted, false)
    clock.move(2_000)
    assert.ok(signal.aborted && isTenfoldError(signal.reason, 'timeout'))
  })

  test('whose time is over when its signal is first asked for has one that is aborted', () => {
    const clock = movableClock()
    const deadline = deadlineIn(clock, 10_000)
    clock.move(11_000)
    assert.ok(deadline.signal.aborted)
  })

  test('has one signal, and an inner one its own: earlier, and aborted with the outer one', () => {
    const clock = movableClock()
    const outer = deadlineIn(clock, 10_000)
    assert.equal(outer.signal, outer.signal)
    const inner = outer.within(4_000)
    assert.equal(inner.signal.aborted, false)
    clock.move(5_000)
    assert.deepEqual([inner.signal.aborted, outer.signal.aborted], [true, false])
  })

  test('ends with its parent\'s signal, such as that of a process that must leave', () => {
    const clock = movableClock()
    const parent = new AbortController()
    const outer = deadlineIn(clock, 10_000, parent.signal)
    const inner = outer.within(5_000)
    const { signal } = inner
    parent.abort(new Error('leaving'))
    assert.ok(signal.aborted && outer.signal.aborted)
    assert.equal((signal.reason as Error).message, 'leaving')
  })
})

describe('a race against a deadline', () => {
  const late = () => new Error('late')

  test('is won by the work, well or badly', async () => {
    const clock = movableClock()
    assert.equal(await raceDeadline(clock, deadlineIn(clock, 10_000), 0, Promise.resolve('answer'), late), 'answer')
    await assert.rejects(raceDeadline(clock, deadlineIn(clock, 10_000), 0, Promise.reject(new Error('failed')), late), /failed/)
  })

  test('is lost when the time and the grace are over', async () => {
    const clock = movableClock()
    const told: Error[] = []
    const race = raceDeadline(clock, deadlineIn(clock, 10_000), 5_000, never, late).catch((error: Error) => { told.push(error) })
    clock.move(14_000)
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    assert.equal(told.length, 0)
    clock.move(2_000)
    await race
    assert.equal(told[0]?.message, 'late')
  })

  test('leaves no timer behind, and no failure that nobody hears', async () => {
    let open = 0
    const clock = movableClock()
    const counted = { ...clock, after: (delayMs: number, task: () => void) => { open++; const cancel = clock.after(delayMs, task); return () => { open--; cancel() } } }
    await raceDeadline(counted, deadlineIn(counted, 10_000), 0, Promise.resolve(1), late)
    assert.equal(open, 0)
    const work = Promise.withResolvers<never>()
    const race = raceDeadline(counted, deadlineIn(counted, 0), 0, work.promise, late)
    clock.move(1)
    await assert.rejects(race, /late/)
    work.reject(new Error('too late to matter')) // an unhandled rejection would fail this file
    await new Promise<void>((resolve) => { setImmediate(resolve) })
  })
})
