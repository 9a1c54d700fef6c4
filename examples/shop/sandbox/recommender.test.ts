import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alike, startRecommender } from './recommender.ts'

test('five others, distinct, the same each time and whatever the order of learning', () => {
  const ids = Array.from({ length: 200 }, (_, index) => `p${1000 + index}`)
  const counts = new Map<string, number>()
  for (const id of [...ids, 'unknown']) {
    const suggestions = alike(ids, id)
    assert.equal(new Set(suggestions).size, 5)
    assert.ok(!suggestions.includes(id) && suggestions.every((other) => ids.includes(other)))
    for (const other of suggestions) counts.set(other, (counts.get(other) ?? 0) + 1)
  }
  assert.ok(counts.size > 150, 'nearly every product is suggested for some other')
  assert.deepEqual(alike(['a', 'b', 'c'], 'b'), ['a', 'c'])
  assert.deepEqual(alike(['a'], 'a'), [])
})

test('it knows nothing until it is told; faults as switched', async () => {
  const recommender = await startRecommender({ slowMs: 600_000 })
  const ask = async (signal = new AbortController().signal) => {
    const answer = await fetch(`${recommender.url}/alike/${encodeURIComponent('a/ü')}`, { signal })
    return { status: answer.status, body: await answer.json() as { ids?: string[] } }
  }
  assert.deepEqual(await ask(), { status: 200, body: { ids: [] } })
  const learnt = await fetch(`${recommender.url}/ids`, { method: 'PUT', body: JSON.stringify(['c', 'b', 'a/ü', 'b']) })
  assert.deepEqual(await learnt.json(), { known: 3 })
  assert.deepEqual(await ask(), { status: 200, body: { ids: ['b', 'c'] } })
  assert.equal((await fetch(`${recommender.url}/ids`, { method: 'PUT', body: '[1]' })).status, 422)
  await recommender.change({ fault: 'slow' })
  await assert.rejects(ask(AbortSignal.timeout(50)), { name: 'TimeoutError' })
  await recommender.change({ fault: 'error' })
  assert.equal((await ask()).status, 500)
  await recommender.change({ fault: 'down' })
  await assert.rejects(ask(), { name: 'TypeError' })
  await recommender.change({ fault: 'none' })
  assert.deepEqual((await ask()).body.ids, ['b', 'c'])
  await recommender.close()
})
