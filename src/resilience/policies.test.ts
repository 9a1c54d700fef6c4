import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { DependencyDefinition } from '../app/index.ts'
import { failed, isTenfoldError } from '../base/index.ts'
import { createGuards, type Guards } from './policies.ts'

const usual: DependencyDefinition = {
  name: 'payments.gateway', shortName: 'gateway', timeoutMs: 1_000, tries: 1, config: [], atMost: { running: 50, waiting: 100 },
  breaker: { failures: 0.5, withinMs: 30_000, openForMs: 5_000, minimumCalls: 5 },
}
const { signal } = new AbortController()
const down = async () => { throw new Error('connection refused') }
const never = () => new Promise<never>(() => {})
const settled = async () => { for (let round = 0; round < 20; round++) await new Promise<void>((resolve) => { setImmediate(resolve) }) }
/** The breaker and the pauses are a library's, and read the real clock: here it is moved. */
function moving(context: TestContext): (byMs: number) => Promise<void> {
  context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 })
  return async (byMs) => {
    await settled()
    context.mock.timers.tick(byMs)
    await settled()
  }
}
const unavailable = (why: RegExp) => (error: unknown) => isTenfoldError(error, 'dependency-unavailable') && error.status === 503 && error.retryAfterMs === 5_000 && why.test(error.message)
const failing = async (guards: Guards, times: number) => { for (let time = 0; time < times; time++) await assert.rejects(guards.run(down, signal)) }

describe('tries', () => {
  test('a call is made once, and its answer is the answer', async () => {
    const attempts: number[] = []
    assert.equal(await createGuards(usual).run(async (attempt, stop) => { attempts.push(attempt); assert.equal(stop.aborted, false); return 'paid' }, signal), 'paid')
    assert.deepEqual(attempts, [1])
  })

  test('one that fails is made as often as the dependency says, after growing pauses, and no more', async (context) => {
    const move = moving(context)
    for (const tries of [1, 2, 3, 5]) {
      const attempts: number[] = []
      const guards = createGuards({ ...usual, tries, breaker: { ...usual.breaker, minimumCalls: 100 } })
      const run = assert.rejects(guards.run(async (attempt) => { attempts.push(attempt); throw new Error(`refused ${attempt}`) }, signal), (error: unknown) => (
        unavailable(/^payments\.gateway did not answer\.$/)(error) && ((error as Error).cause as Error).message === `refused ${tries}`))
      await settled()
      assert.deepEqual(attempts, [1], 'none without a pause')
      for (let round = 0; round < tries; round++) await move(2_000)
      await run
      assert.deepEqual(attempts, Array.from({ length: tries }, (_, index) => index + 1))
    }
  })

  test('an attempt that works ends them', async (context) => {
    const move = moving(context)
    let attempts = 0
    const run = createGuards({ ...usual, tries: 5 }).run(async (attempt) => { attempts++; if (attempt < 3) throw new Error('not yet'); return attempt }, signal)
    for (let round = 0; round < 4; round++) await move(2_000)
    assert.deepEqual([await run, attempts], [3, 3])
  })

  test('a refusal that was meant is not asked twice, not hidden, and no sign of sickness', async () => {
    const guards = createGuards({ ...usual, tries: 3 })
    let attempts = 0
    for (let call = 0; call < 20; call++) await assert.rejects(guards.run(async () => { attempts++; throw failed('forbidden', 'not this one') }, signal), { code: 'forbidden', message: 'not this one' })
    assert.deepEqual([attempts, guards.state()], [20, 'closed'])
  })

  test('an error of ours with a status of 500 or more is a failure like any other', async (context) => {
    const move = moving(context)
    let attempts = 0
    const run = assert.rejects(createGuards({ ...usual, tries: 2 }).run(async () => { attempts++; throw failed('internal', 'broken') }, signal), unavailable(/did not answer/))
    await move(2_000)
    await run
    assert.equal(attempts, 2)
  })

  test('an attempt that takes too long is stopped and counts as failed', async (context) => {
    const move = moving(context)
    const stops: AbortSignal[] = []
    const run = assert.rejects(createGuards({ ...usual, tries: 2 }).run((_attempt, stop) => { stops.push(stop); return never() }, signal), unavailable(/did not answer/))
    await move(1_000)
    assert.deepEqual(stops.map(({ aborted }) => aborted), [true])
    await move(2_000)
    await move(1_000)
    await run
    assert.deepEqual(stops.map(({ aborted }) => aborted), [true, true])
  })

  test('nobody is asked for a caller that has gone', async () => {
    await assert.rejects(createGuards(usual).run(async () => assert.fail('asked all the same'), AbortSignal.abort()), unavailable(/did not answer/))
  })
})

describe('the breaker', () => {
  test('opens after enough failures, and then nobody is asked', async (context) => {
    moving(context)
    const guards = createGuards(usual)
    await failing(guards, 4)
    assert.equal(guards.state(), 'closed')
    await failing(guards, 1)
    assert.equal(guards.state(), 'open')
    await assert.rejects(guards.run(async () => assert.fail('asked all the same'), signal), unavailable(/^payments\.gateway failed too often lately and is not asked for a while\.$/))
  })

  test('stays closed while fewer than its share fail, and opens at its share', async (context) => {
    moving(context)
    for (const [failures, well] of [[0.5, 1], [0.25, 3], [0.1, 9]] as const) {
      const guards = createGuards({ ...usual, breaker: { ...usual.breaker, failures } })
      for (let call = 0; call <= 10 * well; call++) await guards.run(async () => 'well', signal)
      await failing(guards, 10)
      assert.equal(guards.state(), 'closed', `${failures}: 10 of ${10 * well + 11}`)
      await failing(guards, 1)
      assert.equal(guards.state(), 'open', `${failures}: 11 of ${10 * well + 12}`)
    }
  })

  test('can be told to open only when all fail, and after how many', async (context) => {
    moving(context)
    for (const [minimumCalls, withinMs] of [[1, 1_000], [3, 33_000], [9, 7_000], [13, 30_000], [21, 10_000]] as const) {
      const guards = createGuards({ ...usual, breaker: { ...usual.breaker, failures: 1, minimumCalls, withinMs } })
      await failing(guards, minimumCalls - 1)
      assert.equal(guards.state(), 'closed')
      await failing(guards, 1)
      assert.equal(guards.state(), 'open', `after ${minimumCalls}`)
    }
  })

  test('forgets failures of long ago', async (context) => {
    const move = moving(context)
    const guards = createGuards(usual)
    await failing(guards, 4)
    for (let second = 0; second < 62; second++) {
      await move(1_000)
      if (second % 2 === 0) await guards.run(async () => 'well', signal)
    }
    await failing(guards, 4)
    assert.equal(guards.state(), 'closed')
  })

  test('after its time lets one through: if that is well it closes, if not it opens again', async (context) => {
    const move = moving(context)
    const guards = createGuards(usual)
    await failing(guards, 5)
    await move(4_999)
    await assert.rejects(guards.run(async () => assert.fail('too early'), signal), unavailable(/too often/))
    await move(1)
    await assert.rejects(guards.run(down, signal), unavailable(/did not answer/))
    assert.equal(guards.state(), 'open')
    await move(5_000)
    const probe = Promise.withResolvers<string>()
    const first = guards.run(() => probe.promise, signal)
    await settled()
    assert.equal(guards.state(), 'half-open')
    probe.resolve('well')
    assert.equal(await first, 'well')
    assert.equal(guards.state(), 'closed')
    await failing(guards, 3)
    assert.equal(guards.state(), 'closed', 'it begins anew, with the one that was well')
  })

  test('a refusal that was meant shows that the service is well again', async (context) => {
    const move = moving(context)
    const guards = createGuards(usual)
    await failing(guards, 5)
    await move(5_000)
    await assert.rejects(guards.run(async () => { throw failed('forbidden', 'not this one') }, signal), { code: 'forbidden' })
    assert.equal(guards.state(), 'closed')
  })

  test('is not asked again and again by the tries of one call', async (context) => {
    const move = moving(context)
    const guards = createGuards({ ...usual, tries: 5 })
    await Promise.all([failing(guards, 1), (async () => { for (let round = 0; round < 5; round++) await move(2_000) })()])
    assert.equal(guards.state(), 'open')
    const before = Date.now()
    await assert.rejects(guards.run(async () => assert.fail('asked all the same'), signal), unavailable(/too often/))
    assert.equal(Date.now(), before)
  })
})

describe('the bulkhead', () => {
  test('lets so many run and so many wait, and turns the rest away', async () => {
    const guards = createGuards({ ...usual, atMost: { running: 2, waiting: 1 } })
    const open: PromiseWithResolvers<number>[] = []
    const work = () => { const one = Promise.withResolvers<number>(); open.push(one); return one.promise }
    const calls = [guards.run(work, signal), guards.run(work, signal), guards.run(work, signal)]
    await settled()
    assert.equal(open.length, 2)
    await assert.rejects(guards.run(work, signal), unavailable(/^payments\.gateway has as many calls under way as it may have\.$/))
    assert.equal(guards.state(), 'closed', 'being busy is not being sick')
    open[0]?.resolve(1)
    assert.equal(await calls[0], 1)
    await settled()
    assert.equal(open.length, 3, 'who waited is next')
    open[1]?.resolve(2)
    open[2]?.resolve(3)
    assert.deepEqual(await Promise.all(calls), [1, 2, 3])
    const again = guards.run(work, signal)
    await settled()
    open[3]?.resolve(4)
    assert.equal(await again, 4, 'places come back')
  })

  test('gives back the place of a call that failed, and does not ask for one that went while it waited', async () => {
    const guards = createGuards({ ...usual, atMost: { running: 1, waiting: 5 } })
    const first = Promise.withResolvers<never>()
    const gone = new AbortController()
    const calls = [guards.run(() => first.promise, signal), guards.run(async () => assert.fail('asked all the same'), gone.signal), guards.run(async () => 'third', signal)]
    await settled()
    gone.abort()
    first.reject(new Error('broke'))
    const ends = await Promise.allSettled(calls)
    assert.deepEqual(ends.map((end) => end.status === 'fulfilled' ? end.value : (end.reason as Error).message), ['payments.gateway did not answer.', 'payments.gateway did not answer.', 'third'])
  })
})
