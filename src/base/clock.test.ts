import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, sleepOn, systemClock } from './clock.ts'

/** A clock whose timers go off when told. */
function handClock() {
  const tasks = new Set<() => void>()
  const after: Clock['after'] = (_delayMs, task) => { tasks.add(task); return () => { tasks.delete(task) } }
  return { after, tasks, fire: () => { for (const task of tasks) task() } }
}

test('sleeping ends when the time is over, and holds nothing afterwards', async () => {
  const clock = handClock()
  const signal = new AbortController().signal
  const sleep = sleepOn(clock, 10, signal)
  assert.equal(clock.tasks.size, 1)
  clock.fire()
  await sleep
  assert.equal(clock.tasks.size, 0)
})

test('sleeping ends at once when its signal is aborted, before or meanwhile', async () => {
  const clock = handClock()
  await sleepOn(clock, 10, AbortSignal.abort())
  assert.equal(clock.tasks.size, 0)
  const controller = new AbortController()
  const sleep = sleepOn(clock, 10, controller.signal)
  controller.abort()
  await sleep
  assert.equal(clock.tasks.size, 0, 'its timer is cancelled')
})

test('the real clock goes on, and a cancelled task is never run', async () => {
  const before = systemClock.monotonic()
  const cancel = systemClock.after(0, () => assert.fail('it was cancelled'))
  cancel()
  await sleepOn(systemClock, 1)
  assert.ok(systemClock.monotonic() > before)
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1_000)
})

test('what is further away than a timer reaches is not done at once', async () => {
  let done = false
  const cancel = systemClock.after(2 ** 40, () => { done = true })
  await sleepOn(systemClock, 2)
  cancel()
  assert.equal(done, false)
})
