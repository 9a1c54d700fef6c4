/** Whatever is sent to whichever route: no fault of ours, a whole problem document for each refusal, and only what the OpenAPI document declares. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { testApp } from 'tenfold/testing'
import { problemOf } from '../../../test/support/problems.ts'
import { app } from '../app.ts'
import { importProducts, productIds } from '../catalogue/importing.ts'
import { alike } from '../catalogue/recommendations.ts'
import { tokens } from '../kit.ts'
import { charge } from '../payments/payments.ts'

interface JsonSchema { type?: string; format?: string; enum?: unknown[]; const?: unknown; minimum?: number; maximum?: number; minLength?: number; maxLength?: number; minItems?: number; maxItems?: number; properties?: Record<string, JsonSchema>; required?: string[]; items?: JsonSchema; anyOf?: JsonSchema[] }
interface Operation { parameters?: { name: string; in: 'path' | 'query' | 'header'; schema: JsonSchema }[]; requestBody?: { content: Record<string, { schema: JsonSchema }> }; responses: Record<string, object> }
interface Request { method: string; url: string; headers: Record<string, string>; payload?: string | Buffer }

/** Longer by TENFOLD_SOAK_MS, for a night. */
const timeLimitMs = Number(process.env['TENFOLD_SOAK_MS'] ?? 8_000)

/** Texts that have broken something somewhere. */
const nasty = fc.constantFrom('', '\u0000', '\ud800', '\udfff\ud800', '__proto__', 'constructor', 'null', 'NaN', '-0', '1e400', '9007199254740993', '../../etc/passwd', '%00', '%', "'; drop table users; --", '$1', String.raw`\u0000`, '\r\nx: y', '{{7*7}}', '\u202e', 'a'.repeat(5_000), '😀'.repeat(100), '﷽', '[object Object]')
const text = fc.oneof({ weight: 3, arbitrary: nasty }, { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) }, { weight: 1, arbitrary: fc.string({ maxLength: 300 }) })
const number = fc.oneof(fc.constantFrom(0, -0, -1, 1, 1.5, 2 ** 31, 2 ** 53 + 2, -(2 ** 63), 1e308, Number.MIN_VALUE), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
const anything: fc.Arbitrary<unknown> = fc.oneof(text, number, fc.constantFrom(null, true, false), fc.jsonValue({ maxDepth: 3 }))
const anyKey = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', 'id', 'customerId', 'role', 'a/b~c', ''), text)

/** What the schema says, more or less: usually right, with something wrong here and there. */
function near(schema: JsonSchema, ids: readonly string[]): fc.Arbitrary<unknown> {
  const wrong = (right: fc.Arbitrary<unknown>, weight: number) => fc.oneof({ weight, arbitrary: right }, { weight: 1, arbitrary: anything })
  if (schema.enum) return wrong(fc.constantFrom(...schema.enum), 9)
  if (schema.const !== undefined) return wrong(fc.constant(schema.const), 9)
  if (schema.anyOf) return wrong(fc.oneof(...schema.anyOf.map((variant) => near(variant, ids))), 9)
  switch (schema.type) {
    case 'string': return wrong(schema.format === 'uuid' ? fc.oneof({ weight: 29, arbitrary: fc.constantFrom(...ids) }, { weight: 1, arbitrary: fc.uuid() }) : schema.format === 'email' ? fc.emailAddress({ size: 'xsmall' }) : fc.oneof({ weight: 1, arbitrary: text }, { weight: 2, arbitrary: fc.string({ minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 50, 50) }) }), 29)
    case 'integer': return wrong(fc.oneof({ weight: 9, arbitrary: fc.integer({ min: Math.max(schema.minimum ?? -9, -1e6), max: Math.min(schema.maximum ?? 9, 1e6) }) }, { weight: 1, arbitrary: number }), 29)
    case 'array': return wrong(fc.array(near(schema.items ?? {}, ids), { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? 5, 5) }), 39)
    case 'object': {
      const fields = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, field]) => [name, near(field, ids)]))
      const right = fc.oneof({ weight: 19, arbitrary: fc.record(fields) }, { weight: 1, arbitrary: fc.record(fields, { requiredKeys: [] }) })
      return wrong(fc.oneof({ weight: 19, arbitrary: right }, { weight: 1, arbitrary: fc.tuple(right, fc.dictionary(anyKey, anything, { maxKeys: 4 })).map(([one, more]) => ({ ...one, ...more })) }), 39)
    }
    default: return anything
  }
}

/** As text, broken now and then: bytes that are no UTF-8, numbers that are none, levels without end. */
function written(value: fc.Arbitrary<unknown>): fc.Arbitrary<string | Buffer> {
  const good = value.map((one) => JSON.stringify(one) ?? '')
  const broken = fc.oneof(
    good.map((body) => body.slice(0, -1)), good.map((body) => Buffer.concat([Buffer.from(body), Buffer.from([0xff])])), good.map((body) => body.replaceAll(/\d+/g, '1e999')), good.map((body) => body.replaceAll('"', "'")),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)), fc.integer({ min: 1, max: 30_000 }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`), fc.constant(`{"a":"${'x'.repeat(1024 ** 2)}"}`),
    fc.string({ minLength: 1, maxLength: 4 }).map((name) => `{${`${JSON.stringify(name)}:1,`.repeat(500)}"a":1}`),
  )
  return fc.oneof({ weight: 24, arbitrary: good }, { weight: 1, arbitrary: broken })
}

const visible = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCodePoint(code)), maxLength: 60 })
/** A role stands for the token that it has when the request is sent: signing out ends the one before. */
const roles = ['user', 'admin'] as const
function headers(): fc.Arbitrary<Record<string, string>> {
  const token = fc.oneof({ weight: 29, arbitrary: fc.constantFrom(...roles) }, { weight: 1, arbitrary: visible })
  return fc.record({
    'idempotency-key': fc.oneof({ weight: 8, arbitrary: fc.uuid() }, { weight: 1, arbitrary: fc.constantFrom('k', 'l') }, { weight: 1, arbitrary: visible }),
    'content-type': fc.oneof({ weight: 20, arbitrary: fc.constant('application/json') }, { weight: 1, arbitrary: fc.oneof(visible, fc.constantFrom('text/plain', 'application/json; charset=latin1', 'application/x-www-form-urlencoded')) }),
    'if-none-match': visible, cookie: fc.oneof(visible, fc.constant(`tenfold-consistency=${'x.'.repeat(100)}`)), traceparent: visible, 'tenfold-consistency': visible, accept: visible, 'accept-version': visible, 'x-forwarded-for': visible, origin: visible, 'x-http-method-override': visible,
  }, { requiredKeys: ['content-type'] }).chain((made) => fc.oneof({ weight: 5, arbitrary: token }, { weight: 1, arbitrary: fc.constant(undefined) }).map((one) => one === undefined ? made : { ...made, authorization: `Bearer ${one}` }))
}

function requests(paths: Record<string, Record<string, Operation>>, ids: readonly string[], cursor: string): fc.Arbitrary<{ path: string; request: Request }> {
  const all = Object.entries(paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => {
    const parameters = operation.parameters ?? []
    const inPath = fc.tuple(...parameters.filter((parameter) => parameter.in === 'path').map(({ schema }) => near(schema, ids)))
    const inQuery = fc.tuple(fc.record(Object.fromEntries(parameters.filter((parameter) => parameter.in === 'query').map(({ name, schema }) => [name, name === 'cursor' ? fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 2, arbitrary: fc.constant(cursor) }, near(schema, ids)) : near(schema, ids)])), { requiredKeys: [] }), fc.oneof({ weight: 12, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.webQueryParameters() }, { weight: 1, arbitrary: nasty.map((one) => encodeURI(one.toWellFormed())) }))
    const schema = operation.requestBody?.content['application/json']?.schema
    const payload = schema ? fc.option(written(near(schema, ids)), { freq: 40, nil: undefined }) : fc.constant(undefined)
    return fc.record({ inPath, inQuery, headers: headers(), payload }).map((made) => {
      let nth = 0
      const filled = path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(String(made.inPath[nth++]).toWellFormed()))
      const query = new URLSearchParams(Object.entries(made.inQuery[0]).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)] as [string, string])).toString()
      return { path, request: { method: method.toUpperCase(), url: `${filled}?${[query, made.inQuery[1]].filter(Boolean).join('&')}`, headers: made.headers, ...(made.payload === undefined ? {} : { payload: made.payload }) } }
    })
  }))
  return fc.oneof(...all)
}

test('nothing that can be sent finds a fault of ours', async (context) => {
  await using shop = await testApp(app)
  const outcomes = ['paid', 'declined', 'unknown'] as const
  let charged = 0
  shop.replace(charge, () => ({ outcome: outcomes[charged++ % 3] ?? 'paid' }))
  await shop.call(importProducts, { products: Array.from({ length: 40 }, (_, index) => ({ sku: `3000${index}`, name: `Lamp ${index}`, price: index, stock: index * 1_000 })) })
  const ids = await shop.call(productIds, { limit: 40 })
  shop.replace(alike, () => ({ ids: ids.slice(0, 3) }))
  const access = new Map<string, string>()
  const signIn = async () => { for (const role of roles) access.set(`Bearer ${role}`, `Bearer ${(await shop.call(tokens.issue, { id: ids[0] ?? '', role })).accessToken}`) }
  await signIn()
  const { nextCursor } = (await shop.engine.server.inject('/v1/products?limit=1')).json<{ nextCursor: string }>()
  const { paths } = (await shop.engine.server.inject('/openapi.json')).json<{ paths: Record<string, Record<string, Operation>> }>()
  const seen = new Map<string, number>()
  const seed = shop.seed
  context.diagnostic(`seed ${seed}`)
  await fc.assert(fc.asyncProperty(requests(paths, ids, nextCursor), async ({ path, request }) => {
    const authorization = request.headers['authorization']
    const answer = await shop.engine.server.inject({ ...request, headers: { ...request.headers, ...(authorization === undefined ? {} : { authorization: access.get(authorization) ?? authorization }) } } as { method: 'GET' })
    if (request.method === 'DELETE' && answer.statusCode === 204) await signIn()
    const { statusCode } = answer
    const what = `${request.method} ${path} ${statusCode}`
    assert.ok(statusCode < 500, `${what} ${answer.body.slice(0, 300)}`)
    if (statusCode >= 400) problemOf(answer)
    const declared = paths[path]?.[request.method.toLowerCase()]?.responses[statusCode]
    assert.ok(declared, `${what} is not declared`)
    seen.set(what, (seen.get(what) ?? 0) + 1)
  }), { seed, numRuns: 1_000_000, interruptAfterTimeLimit: timeLimitMs, markInterruptAsFailure: false })
  const of = (status: RegExp) => [...seen].filter(([what]) => status.test(what)).reduce((sum, [, count]) => sum + count, 0)
  context.diagnostic(`${of(/./)} requests: ${of(/ 2..$/)} done, ${of(/ 4..$/)} refused; ${seen.size} outcomes`)
  assert.ok(of(/ 2..$/) > 10 && of(/ 422$/) > 10, [...seen].map(([what, count]) => `${what} ${count}`).join('\n'))
  assert.equal((await shop.engine.server.inject(`/v1/products/${ids[1]}`)).statusCode, 200, 'and a good request is answered as before')
})
