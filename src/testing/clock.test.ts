import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../base/index.ts'
import { movableClock } from './clock.ts'

test('moving it runs what has come due, in the order in which it was due', () => {
  const clock = movableClock()
  const ran: string[] = []
  for (const [name, afterMs] of [['c', 30_000], ['a', 10_000], ['later', 90_000], ['b', 20_000]] as const) clock.after(afterMs, () => ran.push(name))
  clock.move(5_000)
  assert.deepEqual(ran, [])
  clock.move(55_000)
  assert.deepEqual(ran, ['a', 'b', 'c'])
  clock.move(40_000)
  clock.move(90_000)
  assert.deepEqual(ran, ['a', 'b', 'c', 'later'], 'each once')
})

test('both its times move, and go on as the real one does', async () => {
  const clock = movableClock()
  const [now, monotonic] = [clock.now() - systemClock.now(), clock.monotonic() - systemClock.monotonic()]
  assert.ok(Math.abs(now) < 100 && Math.abs(monotonic) < 100)
  clock.move(3_600_000)
  assert.ok(Math.abs(clock.now() - systemClock.now() - 3_600_000) < 100)
  assert.ok(Math.abs(clock.monotonic() - systemClock.monotonic() - 3_600_000) < 100)
  await clock.sleep(1) // without being moved
})

test('what was cancelled never runs, even when what ran just before it cancels it', () => {
  const clock = movableClock()
  const ran: string[] = []
  clock.after(10_000, () => ran.push('cancelled'))()
  let cancel = () => {}
  clock.after(10_000, () => { ran.push('first'); cancel() })
  cancel = clock.after(20_000, () => ran.push('second'))
  clock.move(30_000)
  assert.deepEqual(ran, ['first'])
})

test('what is asked for while it moves begins from where it has got to', () => {
  const clock = movableClock()
  const ran: string[] = []
  clock.after(10_000, () => { ran.push('first'); clock.after(10_000, () => ran.push('second')) })
  clock.move(60_000)
  assert.deepEqual(ran, ['first'])
  clock.move(10_000)
  assert.deepEqual(ran, ['first', 'second'])
})

test('a sleeper is woken by moving it', async () => {
  const clock = movableClock()
  const sleep = clock.sleep(3_600_000)
  clock.move(3_600_000)
  await sleep
})
