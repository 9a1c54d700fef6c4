/** The checker of histories: it finds what breaks each rule, and nothing where none is broken. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokenPromises, type Entry } from './history.ts'

const bump = (session: number, key: string, version: number, id = 'a'): Entry => ({ kind: 'bump', session, id, key, version })
const look = (session: number, left: number, right = left, id = 'a'): Entry => ({ kind: 'look', session, id, left, right })
const at = (version: number) => ({ a: { left: version, right: version } })

test('a history that breaks nothing: sessions see each other late, and themselves at once', () => {
  assert.deepEqual(brokenPromises([bump(1, 'k1', 1), look(2, 0), look(1, 1), bump(2, 'k2', 2), look(1, 1), look(2, 2), look(1, 2)], at(2)), [])
  assert.deepEqual(brokenPromises([bump(1, 'k1', 1), bump(1, 'k1', 1)], at(1)), [], 'a repeat answers the same')
  assert.deepEqual(brokenPromises([], {}), [])
})

for (const [rule, history, final, found] of [
  ['half a write', [bump(1, 'k1', 1), look(2, 1, 0)], at(1), /^half a write: session 2/],
  ['a stale own write', [bump(1, 'k1', 1), look(1, 0)], at(1), /^a stale own write: session 1 saw a at 0 after 1/],
  ['a stale own write, after others were seen', [bump(1, 'k1', 1), look(2, 1), bump(2, 'k2', 2), look(2, 1)], at(2), /^a stale own write: session 2/],
  ['time running backwards', [bump(1, 'k1', 1), look(2, 1), look(2, 0)], at(1), /^time running backwards: session 2/],
  ['a lost update', [bump(1, 'k1', 1), bump(2, 'k2', 1)], at(2), /^a lost write: k1 and k2/],
  ['a key with two effects', [bump(1, 'k1', 1), bump(1, 'k1', 2)], at(2), /^twice: k1/],
  ['an acknowledged write that is gone', [bump(1, 'k1', 1), bump(1, 'k2', 2)], at(1), /^lost: a was counted 2 times, and stands at 1/],
  ['an effect that nobody asked for', [bump(1, 'k1', 1)], at(2), /^too many: a/],
  ['a register that is gone', [bump(1, 'k1', 1)], {}, /^lost: a/],
] as const) {
  test(`it finds ${rule}`, () => {
    const broken = brokenPromises(history, final)
    assert.ok(broken.some((one) => found.test(one)), JSON.stringify(broken))
  })
}
