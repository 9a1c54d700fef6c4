import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isTenfoldError } from '../base/index.ts'
import { fileOutput, pageOf } from './page.ts'
import { jsonSchema, type Schema, t } from './schema.ts'
import { stripper, validator } from './validation.ts'

const Id = t.String({ format: 'uuid' })
const Order = t.Object({
  id: Id, count: t.Integer({ minimum: 1, maximum: 5 }), lines: t.Array(t.Object({ name: t.String({ minLength: 2 }) }), { minItems: 1, maxItems: 3 }),
  state: t.Union([t.Literal('open'), t.Literal('closed')]), gift: t.Union([t.Null(), t.Object({ note: t.String() })]), mail: t.Optional(t.String({ format: 'email' })), rate: t.Optional(t.Number()),
})
const valid = { id: '00000000-0000-8000-8000-000000000001', count: 1, lines: [{ name: 'ab' }], state: 'open', gift: null }

function faultsOf(schema: Schema, value: unknown): Record<string, string> {
  try {
    validator(jsonSchema(schema), 'The input')(value)
    return {}
  } catch (error) {
    if (!isTenfoldError(error, 'invalid')) throw error
    assert.equal(error.status, 422)
    return Object.fromEntries((error.faults ?? []).map(({ path, message }) => [path, message]))
  }
}

describe('a validator', () => {
  test('takes what the schema says', () => {
    for (const more of [{}, { mail: 'a@b.no' }, { mail: undefined }, { gift: { note: '' } }, { rate: 0.5 }, { lines: [{ name: 'ab' }, { name: 'cd' }, { name: 'ef' }] }]) assert.deepEqual(faultsOf(Order, { ...valid, ...more }), {})
  })

  test('tells every fault, each with its pointer', () => {
    const faults = faultsOf(Order, { id: 'x', count: 9, lines: [{ name: 'a', price: 1 }, {}, 5], state: 'shut', gift: { note: 1, bow: 2 }, mail: 'no', rate: 'fast', 'a/b~c': 1 })
    assert.deepEqual(Object.keys(faults).toSorted(), ['/a~1b~0c', '/count', '/gift/bow', '/gift/note', '/id', '/lines/0/name', '/lines/0/price', '/lines/1/name', '/lines/2', '/mail', '/rate', '/state'])
    assert.deepEqual([faults['/lines/1/name'], faults['/lines/0/price'], faults['/a~1b~0c']], ['is required', 'is not a field of this request', 'is not a field of this request'])
    assert.match(faults['/state'] ?? '', /must be one of "open", "closed"/)
    for (const [path, message] of Object.entries(faults)) assert.match(message, /^(must|is) /, path)
  })

  test('tells each field that is missing under its own pointer', () => {
    assert.deepEqual(faultsOf(Order, {}), { '/id': 'is required', '/count': 'is required', '/lines': 'is required', '/state': 'is required', '/gift': 'is required' })
    for (const none of [null, undefined, [], 'x', 7]) assert.deepEqual(Object.keys(faultsOf(Order, none)), [''], JSON.stringify(none))
  })

  test('names what was checked, how many faults there are, and the first of them', () => {
    assert.throws(() => validator(jsonSchema(Order), 'The input of orders.place')({ ...valid, count: 0 }), { message: 'The input of orders.place has a fault: /count must be at least 1.' })
    assert.throws(() => validator(jsonSchema(Order), 'The input of orders.place')({}), { message: 'The input of orders.place has 5 faults: /id is required; /count is required; /lines is required; and 2 more.' })
  })

  test('holds numbers, texts and lists to their limits', () => {
    const limits: [Schema, unknown[], unknown[]][] = [
      [t.Integer(), [0, -7, Number.MAX_SAFE_INTEGER], [1.5, Number.NaN, Infinity, 2 ** 53, '1', 1n, null]],
      [t.Number({ minimum: 0, maximum: 1 }), [0, 0.5, 1], [-0.1, 1.1, Number.NaN, Infinity, '0']],
      [t.String({ minLength: 2, maxLength: 3 }), ['ab', 'abc', '𝒳𝒳𝒳'], ['a', 'abcd', 'a\u0000b', '\ud800a', 7, null]],
      [t.String({ pattern: '^[a-z]+$' }), ['abc'], ['', 'Abc', 'a1']],
      [Id, [valid.id], ['', 'x', `${valid.id}0`, valid.id.replaceAll('-', ''), `{${valid.id}}`, ` ${valid.id}`]],
      [t.String({ format: 'email' }), ['a@b.no', 'a.b+c@d-e.co.uk'], ['', 'a', 'a@', '@b.no', 'a@b', 'a b@c.no', 'a@b..no', 'a@b.no ', 'a@@b.no', 'a"b@c.no', 'a@b.no\n']],
      [t.Boolean(), [true, false], [0, 1, 'true', null]],
      [t.Null(), [null], [undefined, 0, '', false]],
      [t.Literal(7), [7], ['7', 8, null]],
      [t.Array(t.Integer(), { uniqueItems: true }), [[], [1, 2]], [[1, 1], {}, '1']],
    ]
    for (const [schema, right, wrong] of limits) {
      for (const value of right) assert.deepEqual(faultsOf(schema, value), {}, `${JSON.stringify(schema)} ${String(value)}`)
      for (const value of wrong) assert.notDeepEqual(faultsOf(schema, value), {}, `${JSON.stringify(schema)} ${String(value)}`)
    }
  })

  test('says no more than a hundred faults, however many there are', () => {
    assert.equal(Object.keys(faultsOf(t.Array(t.Integer()), Array.from({ length: 100_000 }, () => 'x'))).length, 100)
    assert.equal(Object.keys(faultsOf(t.Object({}), Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`field${index}`, 1])))).length, 100)
  })

  test('takes a field of a dangerous name for what it is: one that is not there', () => {
    assert.deepEqual(faultsOf(t.Object({}), JSON.parse('{"__proto__":{"admin":true},"constructor":1}')), { '/__proto__': 'is not a field of this request', '/constructor': 'is not a field of this request' })
  })
})

describe('a stripper', () => {
  const strip = (schema: Schema, value: unknown) => stripper(jsonSchema(schema))(value)
  const User = t.Object({ id: t.String(), name: t.Optional(t.String()) })
  const row = { id: 'u1', name: 'ann', passwordHash: 'scrypt' }
  const seen = { id: 'u1', name: 'ann' }

  test('copies what the schema names, at every depth, and nothing else', () => {
    assert.deepEqual(strip(User, row), seen)
    assert.deepEqual(strip(t.Array(User), [row, row]), [seen, seen])
    assert.deepEqual(strip(t.Object({ user: User, all: t.Array(t.Object({ by: User })) }), { user: row, all: [{ by: row, at: 1 }], total: 2 }), { user: seen, all: [{ by: seen }] })
    assert.deepEqual(strip(pageOf(User), { data: [row], nextCursor: null, hasMore: false, total: 9 }), { data: [seen], nextCursor: null, hasMore: false })
  })

  test('leaves out what is not there', () => {
    assert.deepEqual(strip(User, { id: 'u1' }), { id: 'u1' })
    assert.deepEqual(strip(User, { id: 'u1', name: undefined, passwordHash: 'scrypt' }), { id: 'u1' })
  })

  test('takes the variant of a union that fits', () => {
    const Maybe = t.Union([t.Null(), User])
    assert.deepEqual([strip(Maybe, null), strip(Maybe, row)], [null, seen])
    assert.deepEqual(strip(t.Object({ ids: t.Union([t.Array(t.String()), t.Null()]), users: t.Union([t.Null(), t.Array(User)]) }), { ids: ['a'], users: [row] }), { ids: ['a'], users: [seen] })
    const Shape = t.Union([t.Object({ kind: t.Literal('circle'), radius: t.Number() }), t.Object({ kind: t.Literal('square'), side: t.Number() })])
    assert.deepEqual(strip(Shape, { kind: 'square', side: 2, radius: 7, secret: 1 }), { kind: 'square', side: 2 })
    assert.deepEqual(strip(t.Array(Shape), [{ kind: 'circle', radius: 1, side: 3 }]), [{ kind: 'circle', radius: 1 }])
  })

  test('gives out less, and never everything, where no variant of a union fits', () => {
    const Strict = t.Union([t.Null(), t.Object({ id: t.String(), mail: t.String({ format: 'email' }) })])
    assert.deepEqual(strip(Strict, { id: 'u1', mail: 'root@localhost', passwordHash: 'scrypt' }), { id: 'u1', mail: 'root@localhost' })
    assert.deepEqual(strip(t.Union([t.Null(), t.Object({ at: t.String() })]), { at: new Date(1_800_000_000_000), passwordHash: 'scrypt' }), { at: '2027-01-15T08:00:00.000Z' })
    const Shape = t.Union([t.Object({ kind: t.Literal('circle'), radius: t.Number() }), t.Object({ kind: t.Literal('square'), side: t.Number() })])
    assert.deepEqual(Object.keys(strip(Shape, { kind: 'blob', secret: 1 }) as object), ['kind'])
    for (const [schema, value] of [[t.Union([t.Null(), t.String()]), row], [t.Union([t.Null(), t.String()]), [row]], [t.String(), row], [t.Array(User), row], [t.Union([t.Null(), t.Array(User)]), row]] as const) assert.equal(strip(schema, value), null)
  })

  test('takes the variant that fits however deep the unions lie', () => {
    const Node = t.Object({ id: t.String(), by: t.Union([t.Null(), User]), all: t.Union([t.Null(), t.Array(t.Union([t.Null(), User]))]) })
    const Deep = t.Union([t.Null(), Node, t.Object({ other: t.Integer() })])
    assert.deepEqual(strip(Deep, { id: 'n', by: row, all: [row, null], secret: 1 }), { id: 'n', by: seen, all: [seen, null] })
    assert.deepEqual(strip(t.Union([t.Null(), t.Union([t.Object({ other: t.Integer() }), User])]), row), seen)
  })

  test('writes a date as the text that its schema means', () => {
    const at = new Date(1_800_000_000_000)
    assert.deepEqual(strip(t.Object({ at: t.String() }), { at, other: 1 }), { at: '2027-01-15T08:00:00.000Z' })
    assert.deepEqual(strip(t.Object({ at: t.Union([t.Null(), t.String()]) }), { at }), { at: '2027-01-15T08:00:00.000Z' })
  })

  test('leaves single values as they are, and a file whole', () => {
    for (const value of ['a', 7, true, null]) assert.equal(strip(t.String(), value), value)
    const file = { id: 'f', name: 'receipt.pdf', type: 'application/pdf', bytes: 3, sha256: 'f' }
    assert.deepEqual(strip(fileOutput(), { ...file, path: '/var/lib' }), file)
    assert.deepEqual(strip(t.Object({ receipt: fileOutput() }), { receipt: file, total: 1 }), { receipt: file })
  })

  test('does not change what it is given, which may be shared', () => {
    const given = Object.freeze({ user: Object.freeze({ ...row }), extra: 1 })
    assert.deepEqual(strip(t.Object({ user: User }), given), { user: seen })
    assert.deepEqual(given, { user: row, extra: 1 })
  })

  test('leaves nothing that the schema refuses for its name, whatever is added', () => {
    const extras = fc.dictionary(fc.string().filter((name) => name !== 'id' && name !== 'name'), fc.jsonValue(), { noNullPrototype: true })
    fc.assert(fc.property(extras, extras, (more, inside) => {
      assert.deepEqual(strip(t.Object({ user: User }), { ...more, user: { ...inside, id: 'u1' } }), { user: { id: 'u1' } })
    }))
  })
})
