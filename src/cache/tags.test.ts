import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson } from '../base/index.ts'
import { createTags } from './tags.ts'

const nobody = () => assert.fail('nothing is too much yet')

test('fields find the keys whose input has them all, and no fields find every key', () => {
  const tags = createTags(nobody)
  const add = () => { for (const [group, id] of [['a', 1], ['a', 2], ['b', 1]] as const) tags.add(`${group}${id}`, { group, id, limit: 20 }) }
  add()
  assert.deepEqual(tags.matching({ group: 'a', id: 1 }), ['a1'])
  add()
  assert.deepEqual(tags.matching({ id: 1 }).toSorted(), ['a1', 'b1'])
  add()
  assert.deepEqual(tags.matching({}).toSorted(), ['a1', 'a2', 'b1'])
  add()
  assert.deepEqual([tags.matching({ group: 'c' }), tags.matching({ nonsense: 1 })], [[], []])
})

test('what was found is forgotten, in every index', () => {
  const tags = createTags(nobody)
  tags.add('a1', { group: 'a', id: 1 })
  assert.deepEqual(tags.matching({ nonsense: 0 }), []) // makes that index
  assert.deepEqual(tags.matching({ id: 1 }), ['a1'])
  assert.deepEqual([tags.matching({ id: 1 }), tags.matching({ group: 'a' }), tags.matching({})], [[], [], []])
})

test('a value is compared as a whole: a list, an object, or one that is not there', () => {
  const tags = createTags(nobody)
  tags.add('list', { ids: [1, 2] })
  tags.add('object', { at: { y: 1, x: 2 } })
  tags.add('none', { q: undefined })
  assert.deepEqual([tags.matching({ ids: [2, 1] }), tags.matching({ ids: [1] })], [[], []])
  assert.deepEqual(tags.matching({ ids: [1, 2] }), ['list'])
  assert.deepEqual(tags.matching({ at: { x: 2, y: 1 } }), ['object'])
  assert.deepEqual(tags.matching({ q: 'a' }), [])
  assert.ok(tags.matching({ q: undefined }).includes('none'))
})

test('past a hundred thousand the key that was loaded longest ago goes', () => {
  const gone: string[] = []
  const tags = createTags((key) => gone.push(key))
  for (let id = 0; id < 100_000; id++) tags.add(`k${id}`, { id })
  tags.add('k0', { id: 0 }) // loaded again
  assert.deepEqual(gone, [])
  tags.add('new', { id: 'new' })
  assert.deepEqual([gone, tags.matching({ id: 1 }), tags.matching({ id: 0 })], [['k1'], [], ['k0']])
})

test('whatever is added and asked, it finds what a search through all inputs would', () => {
  const input = fc.record({ a: fc.constantFrom(1, 2), b: fc.constantFrom('x', 'y'), c: fc.boolean() }, { requiredKeys: [], noNullPrototype: true })
  fc.assert(fc.property(fc.array(fc.record({ add: fc.boolean(), input }), { maxLength: 40, size: 'max' }), (steps) => {
    const tags = createTags(nobody)
    const model = new Map<string, Readonly<Record<string, unknown>>>()
    for (const step of steps) {
      const fields: Readonly<Record<string, unknown>> = step.input
      if (step.add) {
        tags.add(canonicalJson(fields), fields)
        model.set(canonicalJson(fields), fields)
        continue
      }
      const expected = [...model].filter(([, known]) => Object.entries(fields).every(([name, value]) => known[name] === value)).map(([key]) => key)
      assert.deepEqual(tags.matching(fields).toSorted(), expected.toSorted())
      for (const key of expected) model.delete(key)
    }
  }))
})
