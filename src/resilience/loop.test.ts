import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { movableClock } from '../testing/clock.ts'
import { startLoop } from './loop.ts'

const settled = () => new Promise<void>((resolve) => { setImmediate(resolve) })

/** A loop every minute whose passes end when told: the nth answers whether there is more, or fails. */
function setUp() {
  const clock = movableClock()
  const passes: PromiseWithResolvers<boolean>[] = []
  const failures: unknown[] = []
  const loop = startLoop(clock, seededRandom(1), 60_000, () => { const pass = Promise.withResolvers<boolean>(); passes.push(pass); return pass.promise }, (error) => failures.push(error))
  const end = async (more: boolean) => { passes.at(-1)?.resolve(more); await settled() }
  return { clock, passes, failures, loop, end }
}

test('a pass at once, then one each time, or right away while there is more', async () => {
  const { clock, passes, loop, end } = setUp()
  assert.equal(passes.length, 1)
  await end(true)
  assert.equal(passes.length, 2)
  await end(false)
  assert.equal(passes.length, 2)
  clock.move(59_000)
  await settled()
  assert.equal(passes.length, 2)
  clock.move(2_000)
  await settled()
  assert.equal(passes.length, 3)
  const stopped = loop.stop()
  await end(true)
  await stopped
  assert.equal(passes.length, 3)
})

test('waking starts a pass now, or one more after the one under way, never two at once', async () => {
  const { passes, loop, end } = setUp()
  for (let times = 0; times < 3; times++) loop.wake()
  await settled()
  assert.equal(passes.length, 1)
  await end(false)
  assert.equal(passes.length, 2, 'one for all three')
  await end(false)
  assert.equal(passes.length, 2)
  loop.wake()
  await settled()
  assert.equal(passes.length, 3)
  await Promise.all([loop.stop(), end(false)])
})

test('a pass that fails is told, and tried again after a pause that grows to ten seconds', async () => {
  const { clock, passes, failures, loop } = setUp()
  for (let failure = 1; failure <= 12; failure++) {
    passes.at(-1)?.reject(new Error(`failed ${failure}`))
    await settled()
    assert.equal(failures.length, failure)
    assert.equal(passes.length, failure, 'not without a pause')
    clock.move(10_050)
    await settled()
    assert.equal(passes.length, failure + 1)
  }
  await Promise.all([loop.stop(), passes.at(-1)?.resolve(false)])
})

test('stopping ends the nap, and waits for the pass under way', async () => {
  const { passes, loop, end } = setUp()
  await end(false)
  await loop.stop()
  assert.equal(passes.length, 1)

  const busy = setUp()
  let stopped = false
  const stop = busy.loop.stop().then(() => { stopped = true })
  await settled()
  assert.equal(stopped, false)
  await busy.end(true)
  await stop
  assert.equal(busy.passes.length, 1)
})
