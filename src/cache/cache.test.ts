import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { defineModule, definitionOf, notFound, t, when } from '../app/index.ts'
import { createMetrics } from '../observe/index.ts'
import { movableClock } from '../testing/clock.ts'
import { createCache } from './cache.ts'
import { memoryDriver } from './drivers/memory.ts'

const minute = 60_000
const module = defineModule<Record<never, never>>()('shop', { migrations: new URL('./', import.meta.url) })
const changed = module.event('changed', t.Object({ group: t.String(), ids: t.Array(t.Integer()) }))
const grouped = module.event('grouped', t.Object({ group: t.String() }))
const emptied = module.event('emptied', t.Object({}))
const input = t.Object({ group: t.String(), id: t.Integer() })
const read = definitionOf(module.query('read', {
  input, output: t.Integer(),
  cache: { ttl: '60m', staleFor: '30m', invalidatedBy: [when(changed, ({ group, ids }) => ids.map((id) => ({ group, id }))), when(grouped, ({ group }) => ({ group })), when(emptied, () => ({}))] },
}).handle(async () => 0))
const strict = definitionOf(module.query('strict', { input, output: t.Integer(), cache: { ttl: '60m', negative: '5m', invalidatedBy: { none: 'time alone' } } }).handle(async () => 0))

function setUp(entriesMax = 100) {
  const clock = movableClock()
  const metrics = createMetrics()
  return { clock, metrics, cache: createCache([read, strict], memoryDriver(entriesMax), clock, metrics) }
}
/** Loads that answer when told: the nth answers n unless told otherwise. */
function loads() {
  const open: PromiseWithResolvers<unknown>[] = []
  return { load: () => { const one = Promise.withResolvers<unknown>(); open.push(one); return one.promise }, open, answer(index: number, value: unknown = index) { open[index]?.resolve(value) } }
}
const counting = () => { let count = 0; return { load: async () => ++count, count: () => count } }
const microtasks = () => new Promise<void>((resolve) => { setImmediate(resolve) })
const a1 = { group: 'a', id: 1 }

describe('what is known', () => {
  test('is loaded once, whatever the order of the input\'s fields', async () => {
    const { cache, metrics } = setUp()
    const { load, count } = counting()
    assert.deepEqual([await cache.get(read, a1, load), await cache.get(read, { id: 1, group: 'a' }, load), count()], [1, 1, 1])
    assert.deepEqual([await cache.get(read, { group: 'a', id: 2 }, load), await cache.get(strict, a1, load)], [2, 3], 'another input, and another query, are others')
    assert.match(metrics.text(), /tenfold_cache_requests_total\{query="shop.read",outcome="hit"\} 1\n/)
    assert.match(metrics.text(), /tenfold_cache_requests_total\{query="shop.read",outcome="miss"\} 2\n/)
    assert.match(metrics.text(), /tenfold_cache_entries 3\n/)
  })

  test('is shared, and so it is frozen', async () => {
    const { cache } = setUp()
    const answer = await cache.get(read, a1, async () => ({ list: [{ deep: 1 }] })) as { list: { deep: number }[] }
    assert.throws(() => { (answer.list[0] as { deep: number }).deep = 2 }, TypeError)
    assert.equal(await cache.get(read, a1, assert.fail), answer)
  })

  test('is loaded once for all who ask at once', async () => {
    const { cache } = setUp()
    const { load, open, answer } = loads()
    const asked = Array.from({ length: 10 }, () => cache.get(read, a1, load))
    await microtasks()
    assert.equal(open.length, 1)
    answer(0, 'once')
    assert.deepEqual(await Promise.all(asked), Array.from({ length: 10 }, () => 'once'))
  })

  test('is not a failure: all who waited hear of it, and the next one asks again', async () => {
    const { cache } = setUp()
    const { load, open } = loads()
    const asked = [cache.get(read, a1, load), cache.get(read, a1, load)]
    open[0]?.reject(new Error('no'))
    for (const one of await Promise.allSettled(asked)) assert.equal(one.status, 'rejected')
    const { load: again } = counting()
    assert.equal(await cache.get(read, a1, again), 1)
  })

  test('is forgotten when all is cleared, and so is what is on its way', async () => {
    const { cache } = setUp()
    const { load, count } = counting()
    await cache.get(read, a1, load)
    const { load: slow, answer } = loads()
    const asked = cache.get(read, { group: 'a', id: 2 }, slow)
    cache.clear()
    answer(0, 'old')
    assert.equal(await asked, 'old')
    assert.deepEqual([await cache.get(read, a1, load), await cache.get(read, { group: 'a', id: 2 }, load), count()], [2, 3, 3])
  })
})

describe('time', () => {
  test('ends what is known after its ttl', async () => {
    const { cache, clock } = setUp()
    const { load } = counting()
    await cache.get(strict, a1, load)
    clock.move(59.9 * minute)
    assert.equal(await cache.get(strict, a1, load), 1)
    clock.move(0.1 * minute)
    assert.equal(await cache.get(strict, a1, load), 2)
    clock.move(59.9 * minute)
    assert.equal(await cache.get(strict, a1, load), 2, 'it is as young as its load')
  })

  test('lets the old value be given for a while, while one load fetches the new one', async () => {
    const { cache, clock } = setUp()
    await cache.get(read, a1, async () => 'old')
    clock.move(61 * minute)
    const { load, open, answer } = loads()
    assert.deepEqual(await Promise.all([cache.get(read, a1, load), cache.get(read, a1, load), cache.get(read, a1, load)]), ['old', 'old', 'old'])
    assert.equal(open.length, 1)
    answer(0, 'new')
    await microtasks()
    assert.equal(await cache.get(read, a1, load), 'new')
    clock.move(91 * minute)
    const late = cache.get(read, a1, load)
    answer(1, 'newest')
    assert.equal(await late, 'newest', 'too old is too old')
  })

  test('keeps the old value through failures, until it is too old', async () => {
    const { cache, clock } = setUp()
    await cache.get(read, a1, async () => 'old')
    clock.move(61 * minute)
    const failing = async () => { throw new Error('down') }
    for (let round = 0; round < 3; round++) {
      assert.equal(await cache.get(read, a1, failing), 'old')
      await microtasks()
    }
    clock.move(30 * minute)
    await assert.rejects(cache.get(read, a1, failing), /down/)
  })

  test('remembers for its own time that there is nothing, where the query says so', async () => {
    const { cache, clock } = setUp()
    let asked = 0
    const missing = async () => { asked++; throw notFound('thing', 'x') }
    for (let round = 0; round < 3; round++) await assert.rejects(cache.get(strict, a1, missing), { code: 'not-found', message: 'There is no thing x.' })
    assert.equal(asked, 1)
    clock.move(5 * minute)
    await assert.rejects(cache.get(strict, a1, missing), { code: 'not-found' })
    assert.equal(asked, 2)
    for (let round = 0; round < 2; round++) await assert.rejects(cache.get(read, a1, missing), { code: 'not-found' })
    assert.equal(asked, 4, 'this query does not say so')
    const other = { group: 'a', id: 2 }
    for (let round = 0; round < 2; round++) await assert.rejects(cache.get(strict, other, async () => { asked++; throw new Error('down') }), /down/)
    assert.equal(asked, 6, 'a failure is no answer')
  })
})

describe('an event', () => {
  const filled = async () => {
    const made = setUp()
    const load = async () => 'old'
    for (const group of ['a', 'b']) for (const id of [1, 2, 3]) await made.cache.get(read, { group, id }, load)
    await made.cache.get(strict, a1, load)
    const kept = async () => {
      const found: string[] = []
      for (const group of ['a', 'b']) for (const id of [1, 2, 3]) if (await made.cache.get(read, { group, id }, async () => 'new') === 'old') found.push(`${group}${id}`)
      return found.join(' ')
    }
    return { ...made, kept }
  }

  test('drops the entries that it names', async () => {
    const { cache, kept } = await filled()
    cache.invalidate('shop.changed', { group: 'a', ids: [1, 3, 7] })
    assert.equal(await kept(), 'a2 b1 b2 b3')
  })

  test('drops all entries that share the fields that it knows', async () => {
    const { cache, kept } = await filled()
    cache.invalidate('shop.grouped', { group: 'b' })
    assert.equal(await kept(), 'a1 a2 a3')
  })

  test('drops every entry of the query, and of no other', async () => {
    const { cache, kept } = await filled()
    cache.invalidate('shop.emptied', {})
    assert.equal(await kept(), '')
    assert.equal(await cache.get(strict, a1, assert.fail), 'old')
  })

  test('that names nothing known drops nothing', async () => {
    const { cache, kept } = await filled()
    cache.invalidate('shop.changed', { group: 'a', ids: [] })
    cache.invalidate('shop.grouped', { group: 'c' })
    cache.invalidate('other.changed', { group: 'a', ids: [1] })
    assert.equal(await kept(), 'a1 a2 a3 b1 b2 b3')
  })

  test('makes the answer of a load under way nobody\'s but theirs who waited for it', async () => {
    const { cache } = setUp()
    const { load, open, answer } = loads()
    const before = [cache.get(read, a1, load), cache.get(read, a1, load)]
    cache.invalidate('shop.changed', { group: 'a', ids: [1] })
    const after = cache.get(read, a1, load)
    assert.equal(open.length, 2, 'who comes later does not join it')
    answer(1, 'new')
    assert.equal(await after, 'new')
    answer(0, 'old')
    assert.deepEqual(await Promise.all(before), ['old', 'old'])
    assert.equal(await cache.get(read, a1, assert.fail), 'new', 'the slow loader does not put the old value back')
  })

  test('reaches the load that renews an old value too', async () => {
    const { cache, clock } = setUp()
    await cache.get(read, a1, async () => 'oldest')
    clock.move(61 * minute)
    const { load, answer } = loads()
    assert.equal(await cache.get(read, a1, load), 'oldest')
    cache.invalidate('shop.grouped', { group: 'a' })
    answer(0, 'old')
    await microtasks()
    assert.equal(await cache.get(read, a1, async () => 'new'), 'new')
  })

  test('finds an entry again after it was loaded anew', async () => {
    const { cache } = setUp()
    for (const version of [1, 2, 3]) {
      assert.equal(await cache.get(read, a1, async () => version), version)
      cache.invalidate('shop.changed', { group: 'a', ids: [1] })
    }
  })
})

describe('room', () => {
  test('is bounded: what was used longest ago leaves', async () => {
    const { cache, metrics } = setUp(2)
    const { load, count } = counting()
    for (const id of [1, 2, 1, 3]) await cache.get(read, { group: 'a', id }, load)
    assert.match(metrics.text(), /tenfold_cache_entries 2\n/)
    await cache.get(read, { group: 'a', id: 1 }, load)
    assert.equal(count(), 3, 'the first was used lately')
    await cache.get(read, { group: 'a', id: 2 }, load)
    assert.equal(count(), 4)
  })

  test('an entry goes with the tag by which events would find it', async () => {
    const { cache, metrics } = setUp(200_000)
    for (let id = 0; id <= 100_000; id++) await cache.get(read, { group: 'a', id }, async () => 0)
    assert.match(metrics.text(), /tenfold_cache_entries 100000\n/)
    assert.equal(await cache.get(read, { group: 'a', id: 0 }, async () => 'again'), 'again')
  })
})

type Step = { do: 'read' | 'changed' | 'grouped' | 'emptied'; group: string; id: number } | { do: 'answer' | 'fail'; nth: number } | { do: 'wait'; minutes: number }
const place = { group: fc.constantFrom('a', 'b'), id: fc.constantFrom(1, 2) }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), ...place }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('answer' as const, 'answer' as const, 'fail' as const), nth: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('changed' as const, 'grouped' as const, 'emptied' as const), ...place }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), minutes: fc.constantFrom(7.013, 17.0171, 31.00193) }) },
)

/** What the cache must do, in the plainest words: entries with their times, loads under way, and the truth. */
async function playAgainstModel(steps: readonly Step[], entriesMax: number): Promise<void> {
  const { cache, clock } = setUp(entriesMax)
  const exact = entriesMax > 4
  const truth = new Map<string, number>()
  const entries = new Map<string, { freshUntil: number; staleUntil: number }>()
  const flights = new Map<string, object>()
  const underWay: { key: string; version: number; flight: object; load: PromiseWithResolvers<unknown> }[] = []
  let now = 0
  let [started, expected] = [0, 0]
  const answers: Promise<void>[] = []

  const reading = (group: string, id: number) => {
    const key = `${group}${id}`
    const version = truth.get(key) ?? 0
    const entry = entries.get(key)
    if (!(entry && now < entry.freshUntil) && !flights.has(key)) { expected++; flights.set(key, {}) }
    const answer = Promise.resolve(cache.get(read, { group, id }, () => {
      started++
      const load = Promise.withResolvers<unknown>()
      underWay.push({ key, version, flight: flights.get(key) ?? {}, load })
      return load.promise
    }))
    answers.push(answer.then((value) => assert.equal(value, version, `${key} was answered with another version than that of the moment it was asked for`), (error: Error) => assert.equal(error.message, 'down')))
  }
  const ending = (nth: number, well: boolean) => {
    const [one] = underWay.splice(nth % Math.max(1, underWay.length), 1)
    if (!one) return
    const { key, version, flight, load } = one
    if (flights.get(key) === flight) {
      flights.delete(key)
      if (well) entries.set(key, { freshUntil: now + 60, staleUntil: now + 90 })
    }
    if (well) load.resolve(version)
    else load.reject(new Error('down'))
  }
  const stating = (event: 'changed' | 'grouped' | 'emptied', group: string, id: number) => {
    for (const key of ['a1', 'a2', 'b1', 'b2'].filter((known) => event === 'emptied' || (known.startsWith(group) && (event === 'grouped' || known === `${group}${id}`)))) {
      truth.set(key, (truth.get(key) ?? 0) + 1)
      entries.delete(key)
      flights.delete(key)
    }
    cache.invalidate(`shop.${event}`, { group, ids: [id] })
  }
  for (const one of steps) {
    if ('nth' in one) ending(one.nth, one.do === 'answer')
    else if (one.do === 'read') reading(one.group, one.id)
    else if (one.do !== 'wait') stating(one.do, one.group, one.id)
    else {
      now += one.minutes
      clock.move(one.minutes * minute)
    }
    await microtasks()
    if (exact) assert.equal(started, expected, 'loads')
  }
  while (underWay.length > 0) { ending(0, true); await microtasks() }
  await Promise.all(answers)
}

test('whatever happens in whatever order, an answer is never older than the moment it was asked for, and nothing is loaded in vain', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => playAgainstModel(steps, 100)), { numRuns: 300 })
})

test('the same holds where there is room for two entries only', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => playAgainstModel(steps, 2)), { numRuns: 200 })
})
