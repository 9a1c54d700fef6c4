import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import Compiler from 'typebox/schema'
import { isTenfoldError } from '../base/index.ts'
import { faultsOf } from './faults.ts'
import { jsonSchema, type Schema, t } from './schema.ts'
import { validator } from './validation.ts'

const seed = Number(process.env['TENFOLD_SEED'] ?? 1)

function faults(schema: Schema, value: unknown): string[] {
  try {
    validator(jsonSchema(schema), 'It')(value)
    return []
  } catch (error) {
    assert.ok(isTenfoldError(error, 'invalid'), String(error))
    return (error.faults ?? []).map(({ path, message }) => `${path} ${message}`)
  }
}

test('each kind of fault has its words', () => {
  const Id = t.String({ format: 'uuid' })
  const cases: [Schema, unknown, ...string[]][] = [
    [t.String({ minLength: 1 }), '', ' must have at least 1 character'], [t.String({ minLength: 3 }), '😀😀', ' must have at least 3 characters'], [t.String({ maxLength: 2 }), '😀😀'], [t.String({ maxLength: 2 }), '😀😀a', ' must have at most 2 characters'],
    [t.String({ maxLength: 3 }), 'e\u0301e\u0301', ' must have at most 3 characters'], [t.String({ pattern: '^a+$' }), 'b', ' must match ^a+$'], [t.String(), 'a\u0000b', ' must not hold U+0000 or half of a surrogate pair'], [t.String(), '\ud800', ' must not hold U+0000 or half of a surrogate pair'],
    [Id, 'x', ' must be a UUID in small letters'], [Id, '0193A1B2-7C3D-7E4F-8A5B-123456789ABC', ' must be a UUID in small letters'], [t.String({ format: 'email' }), 'a@b', ' must be an e-mail address'], [t.String({ format: 'date-time' }), 'today', ' must be a date and time as in RFC 3339'],
    [t.Integer(), 1.5, ' must be a whole number'], [t.Integer(), 2 ** 53, ` must be at most ${Number.MAX_SAFE_INTEGER}`], [t.Integer({ minimum: 1 }), -0, ' must be at least 1'], [t.Number({ maximum: 9 }), 1e300, ' must be at most 9'], [t.Number(), Infinity, ' must be a number'], [t.Number(), Number.NaN, ' must be a number'],
    [t.Boolean(), 'true', ' must be true or false'], [t.Null(), undefined, ' must be null'], [t.Literal('a'), 'b', ' must be "a"'], [t.Union([t.Literal('a'), t.Literal(2)]), 'b', ' must be one of "a", 2'],
    [t.Array(t.Integer(), { minItems: 2, maxItems: 3 }), [1], ' must have at least 2 items'], [t.Array(t.Integer(), { maxItems: 1 }), ['a', 'b'], ' must have at most 1 item'], [t.Array(t.Integer(), { uniqueItems: true }), [1, 1], ' must not hold the same item twice'], [t.Array(t.Integer()), {}, ' must be a list'],
    [t.Object({}), [], ' must be an object'], [t.Object({ a: t.Integer(), b: t.Optional(t.Integer()) }), { b: 'x', c: 1 }, '/a is required', '/b must be a whole number', '/c is not a field of this request'], [t.Array(t.Object({ id: Id })), [{ id: 'x' }, {}], '/0/id must be a UUID in small letters', '/1/id is required'],
    [t.Union([t.Null(), Id]), 'x', ' must be a UUID in small letters'], [t.Union([t.Null(), Id]), 1, ' must be null or a UUID in small letters'], [t.Union([t.Object({ a: t.Integer() }), t.Object({ a: t.Integer(), b: t.Integer() })]), { a: 1, b: 'x' }, '/b is not a field of this request'],
    [t.Object({ 'a/b~': t.Integer() }), {}, '/a~1b~0 is required'],
  ]
  for (const [schema, value, ...expected] of cases) assert.deepEqual(faults(schema, value), expected, JSON.stringify(schema))
})

test('every fault is told, a hundred at most, and a megabyte of them costs no more than a page', () => {
  const fields = Object.fromEntries(Array.from({ length: 50 }, (_, nth) => [`f${nth}`, t.String({ minLength: 2 })]))
  assert.equal(faults(t.Object(fields), {}).length, 50)
  assert.equal(faults(t.Object(fields), Object.fromEntries(Object.keys(fields).map((name) => [name, 'x']))).length, 50)
  assert.deepEqual(faults(t.Object({ a: t.Integer() }), { a: 1, ...Object.fromEntries(Array.from({ length: 20 }, (_, nth) => [`x${nth}`, nth])) }).length, 20)
  const Items = t.Object({ items: t.Array(t.Object({ id: t.String() }), { maxItems: 1_000 }) })
  const hostile = [
    `{"items":[${'0,'.repeat(400_000)}0]}`, `{"items":[${'{},'.repeat(300_000)}{}]}`, `{${Array.from({ length: 60_000 }, (_, nth) => `"k${nth}":0`).join(',')}}`, `{"items":${'['.repeat(400_000)}${']'.repeat(400_000)}}`,
    `{"items":[${'{"id":{"a":1}},'.repeat(900)}0]}`,
  ].map((text) => JSON.parse(text) as unknown)
  for (const value of hostile) assert.ok(faults(Items, value).length <= 100)
  const before = process.cpuUsage()
  for (const value of hostile) faults(Items, value)
  const { user } = process.cpuUsage(before)
  assert.ok(user < 1_000_000, `${user / 1000} ms`)
})

test('prototype keys are fields like any other', () => {
  const Body = t.Object({ name: t.String(), role: t.Optional(t.String()) })
  for (const key of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__']) {
    assert.deepEqual(faults(Body, JSON.parse(`{"name":"x","${key}":{"role":"admin"}}`)), [`/${key} is not a field of this request`])
    assert.deepEqual(faults(t.Object({ [key]: t.String() }), {}), [`/${key} is required`], 'what an object inherits is not its own')
  }
})

test('the words and the check agree on any value', () => {
  const schema = fc.letrec<{ schema: Schema }>((tie) => ({
    schema: fc.oneof({ depthSize: 'small', withCrossShrink: true },
      fc.constantFrom<Schema>(t.String(), t.String({ minLength: 1, maxLength: 3 }), t.String({ format: 'uuid' }), t.String({ pattern: '^a' }), t.Integer(), t.Integer({ minimum: 0, maximum: 9 }), t.Number({ minimum: -1 }), t.Boolean(), t.Null(), t.Literal('a'), t.Union([t.Literal('a'), t.Literal(1)])),
      fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), fc.tuple(tie('schema'), fc.boolean()).map(([one, optional]) => optional ? t.Optional(one) : one), { maxKeys: 3 }).map((fields) => t.Object(fields)),
      fc.tuple(tie('schema'), fc.constantFrom({}, { minItems: 1 }, { maxItems: 2 }, { uniqueItems: true })).map(([item, options]) => t.Array(item, options)),
      fc.array(tie('schema'), { minLength: 2, maxLength: 3 }).map((variants) => t.Union(variants)),
    ),
  })).schema
  const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.anything({ maxDepth: 3, key: fc.constantFrom('a', 'b', 'c', 'd'), values: [fc.constantFrom('a', '', 'aa', 'a\u0000', '\ud800', 1, 0, -1, 1.5, null, true, 2 ** 60)] }))
  let valid = 0
  fc.assert(fc.property(schema, value, (one, given) => {
    const found = faultsOf(jsonSchema(one), given)
    const isPlain = !JSON.stringify(given)?.match(/\\u0000|\\ud800/)
    const right = Compiler.Compile(one as object).Check(given)
    if (right) valid++
    // Ours is stricter in one thing only: what Postgres cannot keep as text.
    if (isPlain) assert.equal(found.length === 0, right, `${JSON.stringify(one)} ${JSON.stringify(given)} ${JSON.stringify(found)}`)
    assert.equal(faults(one, given).length === 0, found.length === 0)
  }), { seed, numRuns: 1_000 })
  assert.ok(valid > 30, `${valid} of them fitted`)
})
