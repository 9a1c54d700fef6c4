import assert from 'node:assert/strict'
import { test } from 'node:test'
import { movableClock } from '../testing/clock.ts'
import { createHeartbeats, createLagJudge } from './lag.ts'

test('lag is the age of the first beat that is not there; an idle, or a dead, primary makes none', () => {
  const clock = movableClock()
  const beats = createHeartbeats(clock)
  assert.equal(beats.lagMs(0), 0, 'nothing is known to be missed')
  beats.heard(1_000)
  clock.move(100)
  beats.heard(1_100)
  beats.heard(1_100)
  clock.move(400)
  assert.equal(beats.lagMs(1_100), 0)
  assert.ok(Math.abs(beats.lagMs(1_000) - 400) < 50)
  assert.ok(Math.abs(beats.lagMs(900) - 500) < 50)
  clock.move(60_000) // no beat comes: the primary is gone
  assert.equal(beats.lagMs(1_100), 0)
})

test('after a failover to a primary whose clock is minutes behind, lag is told at once by its beats', () => {
  const clock = movableClock()
  const beats = createHeartbeats(clock)
  beats.heard(900_000)
  clock.move(100)
  beats.heard(600_000)
  clock.move(700)
  beats.heard(600_100)
  assert.ok(Math.abs(beats.lagMs(900_000) - 700) < 50, 'who knows the old one only has none of the new')
  assert.equal(beats.lagMs(600_100), 0)
  assert.equal(beats.lagMs(600_200), 0, 'one of another process, not heard yet')
})

test('a replica is taken out when it is over its limit for so long, and comes back when it is within it as long', () => {
  const clock = movableClock()
  const lag = createLagJudge(clock, 500, 1_000)
  const after = (ms: number, lagMs: number) => { clock.move(ms); return lag.judge(lagMs) }
  assert.deepEqual([after(0, 100), after(500, 900), after(500, 900), after(400, 900)], ['in', 'in', 'in', 'in'], 'not yet sustained')
  assert.deepEqual([after(50, 100), after(1_500, 900)], ['in', 'in'], 'a moment within the limit begins it anew')
  assert.equal(after(1_000, 900), 'out')
  assert.deepEqual([after(0, 100), after(500, 900), after(900, 100), after(900, 100)], ['out', 'out', 'out', 'out'])
  assert.equal(after(200, 100), 'in')
})
