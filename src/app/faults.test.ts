import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isTenfoldError } from '../base/index.ts'
import { faultsOf } from './faults.ts'
import { jsonSchema, type Schema, t } from './schema.ts'
import { validator } from './validation.ts'

const Text = fc.oneof(fc.constant({}), fc.record({ minLength: fc.integer({ min: 0, max: 3 }), maxLength: fc.integer({ min: 1, max: 4 }) }, { requiredKeys: [] }), fc.constantFrom({ format: 'uuid' as const }, { format: 'email' as const }, { format: 'date-time' as const }, { format: 'uri' as const }, { pattern: '^a' }))
const Number = fc.record({ minimum: fc.integer({ min: -3, max: 3 }), maximum: fc.integer({ min: -3, max: 3 }) }, { requiredKeys: [] })
const literal = fc.constantFrom<string | number | boolean>('a', 'b', 1, true)
const leaf: fc.Arbitrary<Schema> = fc.oneof(Text.map(t.String), Number.map(t.Integer), Number.map(t.Number), fc.constant(t.Boolean()), fc.constant(t.Null()), literal.map((value) => t.Literal(value)), fc.array(literal, { minLength: 1, maxLength: 3 }).map((all) => t.Union(all.map((value) => t.Literal(value)))))
const name = fc.constantFrom('id', 'a/b', 'a~b', 'other')
/** Any schema that our facade can say, not too deep. */
const anySchema = fc.letrec<{ schema: Schema; fields: Record<string, Schema> }>((tie) => ({
  schema: fc.oneof({ maxDepth: 3, withCrossShrink: true }, leaf,
    tie('fields').map(t.Object),
    fc.tuple(tie('schema'), fc.record({ minItems: fc.integer({ min: 0, max: 2 }), maxItems: fc.integer({ min: 0, max: 3 }), uniqueItems: fc.boolean() }, { requiredKeys: [] })).map(([item, options]) => t.Array(item, options)),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((all) => t.Union(all))),
  fields: fc.dictionary(name, fc.tuple(tie('schema'), fc.boolean()).map(([schema, optional]) => optional ? t.Optional(schema) : schema), { maxKeys: 3, noNullPrototype: true }),
})).schema
const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, fc.constantFrom<unknown>(null, true, false, 0, 1, 1.5, -2, '', 'a', 'b', 'abcde', '𝒳𝒳', 'a@b.no', '00000000-0000-8000-8000-000000000001', '2027-01-15T08:00:00Z', 'https://a.no', '\u0000', '\ud800'),
    fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true })),
})).value

function agree(schema: Schema, value: unknown): void {
  const faults = faultsOf(jsonSchema(schema), value)
  try {
    validator(jsonSchema(schema), 'The input')(value)
    assert.deepEqual(faults, [])
  } catch (error) {
    if (!isTenfoldError(error, 'invalid')) throw error
    assert.notDeepEqual(faults, [], `refused without a word: ${error.message}`)
  }
}

test('what the check refuses is told in words, and what it takes has no fault', () => {
  fc.assert(fc.property(anySchema, anyValue, agree), { numRuns: 2_000 })
})

test('the same holds at the very limits of numbers and texts', () => {
  fc.assert(fc.property(Number.map((limits) => [t.Integer(limits), t.Number(limits)]), fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ min: -4, max: 4 })), (schemas, value) => { for (const schema of schemas) agree(schema, value) }), { numRuns: 1_000 })
  fc.assert(fc.property(Text.map(t.String), fc.string({ maxLength: 6, unit: 'grapheme' }), agree), { numRuns: 1_000 })
})

test('every fault is a JSON pointer to what is there, or ought to be', () => {
  fc.assert(fc.property(anySchema, anyValue, (schema, value) => {
    for (const { path } of faultsOf(jsonSchema(schema), value)) {
      const steps = path.split('/').slice(1).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
      const parent = steps.slice(0, -1).reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], value)
      assert.ok(path === '' || (parent !== null && typeof parent === 'object'), path)
    }
  }))
})
