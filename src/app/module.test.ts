import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isTenfoldError } from '../base/index.ts'
import { defineApp } from './app.ts'
import { defineModule, moduleDefinition, when } from './module.ts'
import { definitionOf, type EventDefinition, type JobDefinition } from './procedure.ts'
import { jsonSchema, markFromCaller, t } from './schema.ts'

interface Tables { things: { id: string; ownerId: string; count: number } }
const migrations = new URL('./migrations/', import.meta.url)
const things = () => defineModule<Tables>()('things', { migrations })
const sharded = () => defineModule<Tables>()('owned', { migrations, shardKey: 'ownerId' })
const none = t.Object({})
const nothing = async () => null
const quiet = async () => {}
const refused = (message: RegExp) => (error: unknown) => isTenfoldError(error, 'definition') && message.test(error.message)
/** What the compiler would refuse in TypeScript: here as JavaScript would say it. */
const untyped = (module: object) => module as unknown as Record<string, (...args: unknown[]) => Record<string, (...args: unknown[]) => unknown>> // every verb, taking anything

describe('what a module holds', () => {
  test('every verb is found by its name, with what was said and what is usual', () => {
    const module = things()
    const command = definitionOf(module.command('change', { input: none, output: t.Null(), timeout: '2s', isolation: 'read committed' }).handle(nothing))
    const query = definitionOf(module.query('read', { input: none, output: t.Null(), consistency: 'eventual' }).handle(nothing))
    const lookup = definitionOf(module.lookup('look', { input: none, output: t.Null() }).handle(nothing))
    const action = definitionOf(module.action('act', { input: none, output: t.Null(), backstop: { after: '5s', giveUpAfter: '1h', undo: nothing } }).handle(nothing))
    const operation = definitionOf(module.dependency('bank', { timeout: '300ms', tries: 3, config: ['url'] }).operation('pay', { input: none, output: t.Null() }).handle(nothing).fallback({ none: 'no bank' }))
    assert.deepEqual([command, query, lookup, action, operation].map(({ kind, name, timeoutMs }) => [kind, name, timeoutMs]), [
      ['command', 'things.change', 2_000], ['query', 'things.read', 5_000], ['lookup', 'things.look', 5_000], ['action', 'things.act', 5_000], ['operation', 'things.pay', 1_900]])
    assert.deepEqual([...moduleDefinition(module).procedures.keys()], ['change', 'read', 'look', 'act', 'pay'])
    assert.equal(command.command?.isolation, 'read committed')
    assert.equal(query.query?.consistency, 'eventual')
    assert.deepEqual([action.action?.backstop?.afterMs, action.action?.backstop?.giveUpAfterMs], [5_000, 3_600_000])
    assert.deepEqual(operation.operation?.dependency, { name: 'things.bank', shortName: 'bank', timeoutMs: 300, tries: 3, breaker: { failures: 0.5, withinMs: 30_000, openForMs: 15_000, minimumCalls: 5 }, atMost: { running: 50, waiting: 100 }, config: ['url'] })
  })

  test('events are kept for a month unless told, and jobs say how they run', () => {
    const module = things()
    const event = module.event('thing.changed', t.Object({ id: t.String() }), { orderedBy: 'id' }) as unknown as EventDefinition // both faces are one object
    const kept = module.event('thing.kept', none, { keep: '1d' }) as unknown as EventDefinition // both faces are one object
    assert.deepEqual([event.module, event.orderedBy, event.keepMs, kept.keepMs], ['things', 'id', 30 * 86_400_000, 86_400_000])
    assert.throws(() => event.validate({ id: 7 }), { code: 'invalid', message: 'The event thing.changed has a fault: /id must be a string.' })
    const job = module.job('tidy', { input: none, timeout: '1m', tries: 3, cron: '0 3 * * *', concurrency: 1 }).command(quiet) as unknown as JobDefinition // both faces are one object
    assert.deepEqual([job.name, job.as, job.timeoutMs, job.tries, job.cron, job.concurrency], ['things.tidy', 'command', 60_000, 3, '0 3 * * *', 1])
  })

  test('rows are found by the module\'s shard key, by the field that is named instead, or everywhere', () => {
    const module = sharded()
    const shardOf = (procedure: Parameters<typeof definitionOf>[0]) => { const { shard } = definitionOf(procedure); return shard.kind === 'field' ? shard.field : shard.kind }
    assert.deepEqual([
      shardOf(module.query('own', { input: t.Object({ ownerId: t.String() }), output: t.Null() }).handle(nothing)),
      shardOf(module.query('other', { input: t.Object({ id: t.String() }), output: t.Null(), shardKey: 'id' }).handle(nothing)),
      shardOf(module.query('all', { input: none, output: t.Null(), shardKey: 'all', merge: () => null }).handle(nothing)),
      shardOf(module.action('actHere', { input: t.Object({ ownerId: t.String() }), output: t.Null(), backstop: { none: 'short' } }).handle(nothing)),
      shardOf(module.action('actAnywhere', { input: none, output: t.Null(), backstop: { none: 'short' } }).handle(nothing)),
      shardOf(things().query('plain', { input: none, output: t.Null() }).handle(nothing)),
    ], ['ownerId', 'id', 'all', 'ownerId', 'none', 'none'])
  })

  test('a cached query knows which events make which entries wrong', () => {
    const module = things()
    const changed = module.event('changed', t.Object({ ids: t.Array(t.String()), all: t.Boolean() }))
    const { query } = definitionOf(module.query('read', {
      input: t.Object({ id: t.String() }), output: t.Null(), cache: { ttl: '15m', staleFor: '1m', negative: '5s', invalidatedBy: [when(changed, ({ ids, all }) => all ? {} : ids.map((id) => ({ id })))] },
    }).handle(nothing))
    const [rule] = query?.cache?.invalidatedBy ?? []
    assert.deepEqual([query?.cache?.ttlMs, query?.cache?.staleForMs, query?.cache?.negativeMs, rule?.event], [900_000, 60_000, 5_000, 'things.changed'])
    assert.deepEqual([rule?.fields({ ids: ['a', 'b'], all: false }), rule?.fields({ ids: [], all: true })], [[{ id: 'a' }, { id: 'b' }], [{}]])
    const timeOnly = definitionOf(module.query('timed', { input: none, output: t.Null(), cache: { ttl: '1s', invalidatedBy: { none: 'a second old is fine' } } }).handle(nothing))
    assert.deepEqual(timeOnly.query?.cache?.invalidatedBy, [])
  })

  test('two shapes of an answer are never kept under one key', () => {
    const hashOf = (output: Parameters<typeof jsonSchema>[0]) => definitionOf(things().query('read', { input: none, output, cache: { ttl: '1s', invalidatedBy: { none: 'x' } } }).handle(async () => null as never)).query?.cache?.schemaHash
    assert.equal(hashOf(t.Object({ a: t.String() })), hashOf(t.Object({ a: t.String() })))
    assert.notEqual(hashOf(t.Object({ a: t.String() })), hashOf(t.Object({ a: t.Optional(t.String()) })))
    assert.notEqual(hashOf(t.Object({ a: t.String() })), hashOf(t.Object({ a: t.Integer() })))
  })

  test('a failure is thrown with its code, its status, its data and nothing more', () => {
    const short = things().failure('short-stock', { status: 409, data: t.Object({ left: t.Integer() }), message: ({ left }) => `Only ${left} are left.` })
    const error = short({ left: 2, secret: 1 } as { left: number }, { retryAfter: '2s', cause: new Error('why') })
    assert.ok(isTenfoldError(error, 'short-stock'))
    assert.deepEqual([error.status, error.message, error.data, error.retryAfterMs, error.title, (error.cause as Error).message], [409, 'Only 2 are left.', { left: 2 }, 2_000, 'short stock', 'why'])
    assert.deepEqual([short.code, short.status], ['short-stock', 409])
  })
})

describe('what a module refuses', () => {
  test('a name that is no identifier', () => {
    for (const name of ['', 'Things', 'my-things', 'my things', '1things', 'things.more', 'þing', 'a;drop']) {
      assert.throws(() => defineModule<Tables>()(name, { migrations }), refused(/A module is named ".*": use a letter and then letters and digits/), name)
      if (name !== 'Things') assert.throws(() => things().query(name, { input: none, output: t.Null() }).handle(nothing), refused(/things defines ".*": use a letter/), name)
    }
    for (const define of [() => things().job('a-b', { input: none, timeout: '1s', tries: 1 }).handle(quiet), () => things().dependency('a-b', { timeout: '1s', config: [] }), () => things().projection('a-b', { tables: [] })]) assert.throws(define, refused(/things defines "a-b"/))
  })

  test('the name of a schema that is the platform\'s or Postgres\'s', () => {
    for (const name of ['tenfold', 'public', 'pgCatalog', 'pgTemp', 'informationSchema']) assert.throws(() => defineModule<Tables>()(name, { migrations }), refused(new RegExp(`named ${name}, which is the name of a schema that is not its own`)))
    for (const name of ['pages', 'pgs', 'tenfolds', 'publications']) defineModule<Tables>()(name, { migrations })
  })

  test('a field of the caller\'s where nothing would fill it', () => {
    const mark = markFromCaller(t.String(), 'id')
    for (const field of [t.Object({ id: mark }), t.Array(mark), t.Union([mark, t.Null()]), t.Array(t.Object({ by: t.Union([t.Null(), t.Object({ id: mark })]) }))]) {
      assert.throws(() => things().command('change', { input: t.Object({ by: field }), output: t.Null() }).handle(nothing), refused(/The input of things\.change holds a field of the caller's inside another field/))
    }
    things().command('change', { input: t.Object({ by: mark, maybe: t.Optional(mark) }), output: t.Null() }).handle(nothing)
  })

  test('a dependency that could never be asked, or would never be given up', () => {
    const options = { timeout: '1s', config: [] } as const
    const breaker = { failures: 0.5, within: '1s', openFor: '1s' } as const
    for (const wrong of [{ tries: 0 }, { tries: 1.5 }, { breaker: { ...breaker, failures: 0 } }, { breaker: { ...breaker, failures: 1.1 } }, { breaker: { ...breaker, failures: Number.NaN } }, { breaker: { ...breaker, minimumCalls: 0 } }, { atMost: { running: 0, waiting: 1 } }, { atMost: { running: 1, waiting: -1 } }]) {
      assert.throws(() => things().dependency('bank', { ...options, ...wrong }), refused(/^The dependency things\.bank says (tries|breaker\.failures|breaker\.minimumCalls|atMost)/), JSON.stringify(wrong))
    }
    things().dependency('bank', { ...options, tries: 3, breaker: { ...breaker, failures: 1 }, atMost: { running: 1, waiting: 0 } })
  })

  test('a failure whose code is the platform\'s own, or no code', () => {
    const options = { status: 409, data: t.Null(), message: () => 'no' } as const
    for (const code of ['run-lost', 'internal', 'not-found', 'timeout']) assert.throws(() => things().failure(code, options), refused(new RegExp(`the code ${code}, by which the platform knows an error of its own`)))
    for (const code of ['', 'ShortStock', 'short_stock', 'short stock', '-short', 'short-']) assert.throws(() => things().failure(code, options), refused(/use small letters, digits and hyphens/), code)
  })

  test('a projection of a sharded module that cannot say where, and a second handler of one event', () => {
    const event = things().event('changed', t.Object({ id: t.String() }))
    assert.throws(() => sharded().projection('sums', { tables: ['things'], shardKey: 'ownrId' }).on(event, quiet), refused(/owned\.sums touches a sharded module and its input has no field ownrId/))
    assert.throws(() => sharded().projection('sums', { tables: ['things'], shardKey: 'id' }).on(event, quiet).on(event, quiet), refused(/owned\.sums has two handlers of things\.changed/))
  })

  test('a name that is taken', () => {
    const module = things()
    const event = module.event('changed', none)
    module.query('read', { input: none, output: t.Null() }).handle(nothing)
    module.job('tidy', { input: none, timeout: '1s', tries: 1 }).handle(quiet)
    module.dependency('bank', { timeout: '1s', config: [] })
    module.on(event, 'react', {}, quiet)
    module.projection('read', { tables: [] }) // another kind of thing, by a name of its own
    const twice: [string, () => unknown][] = [
      ['read', () => module.command('read', { input: none, output: t.Null() }).handle(nothing)], ['changed', () => module.event('changed', none)], ['tidy', () => module.job('tidy', { input: none, timeout: '1s', tries: 1 }).command(quiet)],
      ['read', () => module.job('read', { input: none, timeout: '1s', tries: 1 }).handle(quiet)], ['tidy', () => module.action('tidy', { input: none, output: t.Null(), backstop: { none: 'x' } }).handle(nothing)], ['bank', () => module.dependency('bank', { timeout: '1s', config: [] })], ['react', () => module.on(event, 'react', {}, quiet)], ['react', () => module.projection('react', { tables: [] })],
    ]
    for (const [name, define] of twice) assert.throws(define, refused(new RegExp(`things\\.${name} is defined twice: give one of them another name`)), name)
  })

  test('a duration that is none, naming the setting', () => {
    const wrong = 'soon' as '1s'
    assert.throws(() => things().command('change', { input: none, output: t.Null(), timeout: wrong }).handle(nothing), refused(/^things\.change's timeout is "soon"/))
    assert.throws(() => things().query('read', { input: none, output: t.Null(), cache: { ttl: wrong, invalidatedBy: { none: 'x' } } }).handle(nothing), refused(/^things\.read's cache\.ttl is "soon"/))
    const cache = { ttl: '1s', invalidatedBy: { none: 'x' } } as const
    const durations: (() => unknown)[] = [
      () => things().query('read', { input: none, output: t.Null(), cache: { ...cache, staleFor: wrong } }).handle(nothing), () => things().query('read', { input: none, output: t.Null(), cache: { ...cache, negative: wrong } }).handle(nothing),
      () => things().event('changed', none, { keep: wrong }), () => things().job('tidy', { input: none, timeout: wrong, tries: 1 }).handle(quiet), () => things().dependency('bank', { timeout: wrong, config: [] }),
      () => things().dependency('bank', { timeout: '1s', config: [], breaker: { failures: 0.5, within: wrong, openFor: '1s' } }), () => things().dependency('bank', { timeout: '1s', config: [], breaker: { failures: 0.5, within: '1s', openFor: wrong } }),
      () => things().action('act', { input: none, output: t.Null(), backstop: { after: wrong, giveUpAfter: '1h', undo: nothing } }), () => things().action('act', { input: none, output: t.Null(), backstop: { after: '1s', giveUpAfter: wrong, undo: nothing } }),
    ]
    for (const define of durations) assert.throws(define, refused(/is "soon": write a number and ms, s, m, h or d/), String(define))
  })

  test('an input that is no object', () => {
    for (const input of [t.String(), t.Array(t.String()), t.Union([t.Null(), none])]) assert.throws(() => untyped(things())['query']?.('read', { input, output: t.Null() })['handle']?.(nothing), refused(/The input of things\.read is no object schema: use t\.Object/))
  })

  test('an input of a sharded module without the field that says where', () => {
    const input = t.Object({ id: t.String() })
    const wrong: (() => unknown)[] = [
      () => untyped(sharded())['query']?.('read', { input, output: t.Null() })['handle']?.(nothing), () => untyped(sharded())['command']?.('read', { input, output: t.Null() })['handle']?.(nothing),
      () => untyped(sharded())['query']?.('read', { input: t.Object({ ownerId: t.String() }), output: t.Null(), shardKey: 'ownrId' })['handle']?.(nothing), () => untyped(sharded())['query']?.('read', { input, output: t.Null(), shardKey: 'all' })['handle']?.(nothing),
      () => untyped(sharded())['job']?.('read', { input, timeout: '1s', tries: 1 })['handle']?.(quiet), () => untyped(sharded())['on']?.(things().event('changed', input), 'read', {}, quiet),
    ]
    for (const define of wrong) assert.throws(define, refused(/owned\.read touches a sharded module and its input has no field (ownerId|ownrId|all): add the field, or say shardKey/), String(define))
  })

  test('a schedule for a job that needs an input', () => {
    const options = { timeout: '1s', tries: 1, cron: '0 3 * * *' } as const
    assert.throws(() => things().job('tidy', { ...options, input: t.Object({ id: t.String(), count: t.Integer() }) }).handle(quiet), refused(/things\.tidy has a cron schedule and an input that requires id, count: a scheduled job's input is \{\}/))
    things().job('tidy', { ...options, input: t.Object({ count: t.Optional(t.Integer()) }) }).handle(quiet)
  })

  test('anything, once it belongs to an application', () => {
    const module = things()
    const event = module.event('changed', none)
    const projection = module.projection('sums', { tables: ['things'] })
    const begun = module.dependency('bank', { timeout: '1s', config: [] })
    defineApp('shop', { modules: [module], routes: [] })
    const late: (() => unknown)[] = [
      () => module.query('late', { input: none, output: t.Null() }), () => module.command('late', { input: none, output: t.Null() }), () => module.lookup('late', { input: none, output: t.Null() }),
      () => module.action('late', { input: none, output: t.Null(), backstop: { none: 'x' } }), () => module.job('late', { input: none, timeout: '1s', tries: 1 }), () => module.event('late', none),
      () => module.on(event, 'late', {}, quiet), () => module.projection('late', { tables: [] }), () => projection.on(event, quiet), () => module.dependency('late', { timeout: '1s', config: [] }), () => begun.operation('late', { input: none, output: t.Null() }),
    ]
    for (const define of late) assert.throws(define, refused(/things\.(late|sums) is defined after defineApp\('shop'\): import its file before the application is defined/), String(define))
  })
})
