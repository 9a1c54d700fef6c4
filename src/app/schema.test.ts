import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileOutput, pageInput, pageOf } from './page.ts'
import { callerFields, type CallerFields, type Infer, jsonSchema, kindOf, markFromCaller, t, withoutCaller } from './schema.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
/** Checked by the compiler: nothing happens here. */
function same<A, B>(_are: Same<A, B>): void {}

const Id = t.String({ format: 'uuid' })
const byCaller = markFromCaller(Id, 'id')
const State = t.Union([t.Literal('open'), t.Literal('closed')])
/** As OpenAPI gets it. */
const written = (schema: Parameters<typeof jsonSchema>[0]) => JSON.parse(JSON.stringify(jsonSchema(schema))) as unknown

test('a schema is plain JSON Schema', () => {
  assert.deepEqual(written(t.Object({ id: Id, note: t.Optional(t.String({ maxLength: 3 })), state: State, tags: t.Array(t.String(), { maxItems: 2 }) })), {
    type: 'object', additionalProperties: false, required: ['id', 'state', 'tags'],
    properties: { id: { type: 'string', format: 'uuid' }, note: { type: 'string', maxLength: 3 }, state: { enum: ['open', 'closed'] }, tags: { type: 'array', items: { type: 'string' }, maxItems: 2 } },
  })
  assert.deepEqual([t.Null(), t.Boolean(), t.Number({ minimum: 0.5 }), t.Literal(7)].map(written), [{ type: 'null' }, { type: 'boolean' }, { type: 'number', minimum: 0.5 }, { const: 7 }])
  assert.deepEqual(written(t.Integer({ maximum: 9 })), { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: 9 })
  assert.ok(Object.isFrozen(Id))
})

test('its type rides on it', () => {
  const Thing = t.Object({ id: Id, note: t.Optional(t.String()), count: t.Integer(), state: State, tags: t.Array(t.Object({ name: t.String() })), gone: t.Union([t.Null(), t.Object({ at: t.String() })]) })
  same<Infer<typeof Thing>, { id: string; count: number; state: 'open' | 'closed'; tags: { name: string }[]; gone: { at: string } | null; note?: string }>(true)
  const Plain = t.Object({ id: Id })
  same<Infer<typeof Plain>, { id: string }>(true)
  const Page = pageOf(Plain)
  same<Infer<typeof Page>, { data: { id: string }[]; nextCursor: string | null; hasMore: boolean }>(true)
  const Input = pageInput({ q: t.Optional(t.String()) })
  same<Infer<typeof Input>, { q?: string; limit?: number; cursor?: string }>(true)
})

test('an optional field need not be there, and the schema it was made of is as it was', () => {
  const Note = t.String()
  const Thing = t.Object({ note: t.Optional(Note), other: Note })
  assert.deepEqual(jsonSchema(Thing).required, ['other'])
  assert.deepEqual(jsonSchema(t.Object({ note: t.Optional(Note) })).required, [])
})

test('a union of literals is an enum, any other its variants', () => {
  assert.deepEqual(written(t.Union([t.Literal('a'), t.Literal(1), t.Literal(false)])), { enum: ['a', 1, false] })
  assert.deepEqual(written(t.Union([t.Literal('a'), t.Null()])), { anyOf: [{ const: 'a' }, { type: 'null' }] })
})

test('a union of nothing is refused', () => {
  assert.throws(() => t.Union([]), { code: 'definition', message: /no variants/ })
})

test('a field that the caller fills is known, and no part of what a client may send', () => {
  const Mine = t.Object({ customerId: byCaller, id: Id })
  assert.deepEqual([...callerFields(jsonSchema(Mine))], [['customerId', 'id']])
  same<CallerFields<typeof Mine>, 'customerId'>(true)
  assert.deepEqual(JSON.parse(JSON.stringify(withoutCaller(jsonSchema(Mine)))), { type: 'object', additionalProperties: false, required: ['id'], properties: { id: { type: 'string', format: 'uuid' } } })
  assert.ok(!JSON.stringify(Mine).includes('caller'), 'and OpenAPI hears nothing of the mark')
  const open = jsonSchema(t.Object({ id: Id }))
  assert.equal(withoutCaller(open), open)
  assert.deepEqual([...callerFields(open)], [])
})

test('picking fields keeps the mark of the caller, and what is optional', () => {
  const Mine = t.Object({ customerId: byCaller, id: Id, note: t.Optional(t.String()), secret: t.String() })
  const Some = t.Pick(Mine, ['customerId', 'note'])
  assert.deepEqual([...callerFields(jsonSchema(Some))], [['customerId', 'id']])
  same<CallerFields<typeof Some>, 'customerId'>(true)
  same<Infer<typeof Some>, { customerId: string; note?: string }>(true)
  assert.deepEqual([Object.keys(jsonSchema(Some).properties ?? {}), jsonSchema(Some).required], [['customerId', 'note'], ['customerId']])
  const Maybe = t.Object({ customerId: t.Optional(byCaller) })
  same<CallerFields<typeof Maybe>, 'customerId'>(true)
  same<Infer<typeof Maybe>, { customerId?: string }>(true)
  assert.deepEqual([...callerFields(jsonSchema(Maybe))], [['customerId', 'id']])
  const None = t.Pick(Mine, ['id'])
  same<CallerFields<typeof None>, never>(true)
  assert.deepEqual([...callerFields(jsonSchema(None))], [])
  // @ts-expect-error a field that is none
  assert.throws(() => t.Pick(Mine, ['nonsense']))
})

test('a page keeps the mark of the caller, and is known as one', () => {
  const Input = pageInput({ customerId: byCaller, q: t.Optional(t.String()) })
  assert.deepEqual([...callerFields(jsonSchema(Input))], [['customerId', 'id']])
  same<CallerFields<typeof Input>, 'customerId'>(true)
  assert.deepEqual([kindOf(jsonSchema(Input)), kindOf(jsonSchema(pageOf(t.Object({ id: Id })))), kindOf(jsonSchema(fileOutput())), kindOf(jsonSchema(Id))], ['page', 'page', 'file', undefined])
  assert.deepEqual(jsonSchema(Input).required, ['customerId'])
})
