import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTenfoldError } from '../base/index.ts'
import { appDefinition, defineApp } from './app.ts'
import { defineModule, when } from './module.ts'
import { get, post, type Public, put, routes, type SignedIn } from './route.ts'
import { markFromCaller, t } from './schema.ts'

const migrations = new URL('./migrations/', import.meta.url)
const named = (name: string) => defineModule<Record<never, never>>()(name, { migrations })
const none = t.Object({})
const nothing = async () => null
/** What `defineAuth` makes; auth has its own tests. */
const auth = { principal: ['id', 'jti'], accessMs: 1_000, refreshMs: 2_000, module: named('auth') }
const anyone = { '~auth': 'public', definition: auth } as Public
const signedIn = { '~auth': 'caller', definition: auth } as SignedIn
const faultsOf = (define: () => unknown): string[] => {
  try {
    define()
    return []
  } catch (error) {
    if (!isTenfoldError(error, 'definition')) throw error
    return (error.faults ?? []).map(({ path, message }) => `${path} ${message}`)
  }
}

test('an application is its modules, the platform\'s own, and its routes under their prefixes', () => {
  const things = named('things')
  const read = things.query('read', { input: t.Object({ id: t.String() }), output: t.Null() }).handle(nothing)
  const app = appDefinition(defineApp('shop', { modules: [things], routes: [routes('/v1', [get('/things/{id}', read, { auth: anyone })]), routes('/v2', [get('/things/{id}', read, { auth: signedIn })])] }))
  assert.deepEqual([app.name, [...app.modules.keys()], app.routes.map(({ method, path, params, status, priority, tags }) => [method, path, params, status, priority, tags])], ['shop', ['things', 'auth'], [
    ['GET', '/v1/things/{id}', ['id'], 200, 'normal', ['things']], ['GET', '/v2/things/{id}', ['id'], 200, 'normal', ['things']]]])
})

test('every fault is told at once, each with its place and its remedy', () => {
  const [things, strangers] = [named('things'), named('strangers')]
  const theirs = strangers.query('read', { input: none, output: t.Null() }).handle(nothing)
  const event = strangers.event('stranger.came', none)
  const read = things.query('read', { input: none, output: t.Null() }).handle(nothing)
  things.command('change', { input: none, output: t.Null() })
  things.job('tidy', { input: none, timeout: '1s', tries: 1 })
  things.dependency('bank', { timeout: '1s', config: [] }).operation('pay', { input: none, output: t.Null() }).handle(nothing)
  things.on(event, 'greet', {}, async () => {})
  things.projection('visits', { tables: [] }).on(event, async () => {})
  const define = () => defineApp('shop', { modules: [things, things], routes: [routes('/v1', [get('/a', read, { auth: anyone }), get('/a', read, { auth: anyone }), get('/strangers', theirs, { auth: anyone })])] })
  assert.deepEqual(faultsOf(define), [
    'modules/things is listed twice', 'routes/GET /v1/a is routed twice', 'routes/GET /v1/strangers serves strangers.read, whose module is not listed: add it to modules',
    'things.change has no handler: end it with .handle(...)', 'things.tidy has no handler: end it with .handle(...)', 'things.pay has no handler: end it with .handle(...)',
    'things.greet reacts to strangers.stranger.came, whose module is not listed: add it to modules', 'things.visits reacts to strangers.stranger.came, whose module is not listed: add it to modules',
  ])
  assert.throws(define, /^TenfoldError: The application shop is not complete: modules\/things is listed twice; .*/)
  things.command('change', { input: none, output: t.Null() }).handle(nothing) // what was refused is not sealed, and can be mended
})

test('what is begun is not finished by another thing of its name', () => {
  const things = named('things')
  things.query('sums', { input: none, output: t.Null() })
  things.projection('sums', { tables: [] })
  assert.deepEqual(faultsOf(() => defineApp('shop', { modules: [things], routes: [] })), ['things.sums has no handler: end it with .handle(...)'])
})

test('a cached answer that no event of this application could end is refused', () => {
  const [things, strangers] = [named('things'), named('strangers')]
  const event = strangers.event('stranger.came', none)
  things.query('read', { input: none, output: t.Null(), cache: { ttl: '1m', invalidatedBy: [when(event, () => ({}))] } }).handle(nothing)
  assert.deepEqual(faultsOf(() => defineApp('shop', { modules: [things], routes: [] })), ['things.read is cached until strangers.stranger.came, whose module is not listed, so it would never be: add it to modules'])
})

test('two routes that answer the same address are one too many, whatever they call what is in it', () => {
  const things = named('things')
  const one = things.query('one', { input: t.Object({ id: t.String() }), output: t.Null() }).handle(nothing)
  const other = things.query('other', { input: t.Object({ name: t.String() }), output: t.Null() }).handle(nothing)
  assert.deepEqual(faultsOf(() => defineApp('shop', { modules: [things], routes: [routes('/v1', [get('/things/{id}', one, { auth: anyone })]), routes('/v1', [get('/things/{name}', other, { auth: anyone })])] })), ['routes/GET /v1/things/{name} is routed twice'])
})

test('a module of one\'s own in the place of the platform\'s is refused, and so is a second auth', () => {
  const mine = named('auth')
  const read = mine.query('read', { input: none, output: t.Null() }).handle(nothing)
  assert.match(faultsOf(() => defineApp('shop', { modules: [mine], routes: [routes('/v1', [get('/a', read, { auth: anyone })])] })).join(), /modules\/auth is there twice: an application has one defineAuth/)
  const things = named('things')
  const look = things.query('read', { input: none, output: t.Null() }).handle(nothing)
  const second = { '~auth': 'public', definition: { ...auth, module: named('auth') } } as Public
  assert.match(faultsOf(() => defineApp('shop', { modules: [things], routes: [routes('/v1', [get('/a', look, { auth: anyone }), get('/b', look, { auth: second })])] })).join(), /modules\/auth is there twice/)
})

test('a route is refused where it is written', () => {
  const things = named('things')
  const read = things.query('read', { input: t.Object({ id: t.String() }), output: t.Null() }).handle(nothing)
  const mine = things.query('mine', { input: t.Object({ ownerId: markFromCaller(t.String(), 'id') }), output: t.Null() }).handle(nothing)
  const change = things.command('change', { input: none, output: t.Null() }).handle(nothing)
  const act = things.action('act', { input: none, output: t.Null(), backstop: { none: 'short' } }).handle(nothing)
  const look = things.lookup('look', { input: none, output: t.Null() }).handle(nothing)
  for (const serves of [() => get('/a', look, { auth: anyone }), () => post('/a', act, { auth: anyone }), () => put('/a', change, { auth: anyone }), () => get('/a/{id}/b', read, { auth: anyone, edge: { maxAge: '1m' } }), () => get('/.well-known/a_b~c', look, { auth: anyone })]) serves()

  const refused = (message: RegExp) => (error: unknown) => isTenfoldError(error, 'definition') && message.test(error.message)
  const untyped = { get, post } as unknown as Record<'get' | 'post', (path: string, procedure: unknown, options: object) => unknown> // as JavaScript would call them
  assert.throws(() => untyped.get('/a', change, { auth: anyone }), refused(/The route GET \/a serves a command: GET serves query or lookup/))
  assert.throws(() => untyped.get('/a', act, { auth: anyone }), refused(/serves an action: GET serves query or lookup/))
  assert.throws(() => untyped.post('/a', read, { auth: anyone }), refused(/serves a query: POST serves command or action/))
  assert.throws(() => untyped.get('/a/{nonsense}', read, { auth: anyone }), refused(/names nonsense, which the input of things\.read has not/))
  assert.throws(() => untyped.get('/mine', mine, { auth: anyone }), refused(/is open to anyone, but things\.mine needs the caller's identity: use signedIn or role/))
  assert.throws(() => untyped.get('/a/{id}', read, { auth: signedIn, edge: { maxAge: '1m' } }), refused(/is for callers who signed in, but says edge: a shared cache gives what it holds to anyone/))
  for (const path of ['', 'a', '/a/', '//a', '/a b', '/a/{', '/a/{1}', '/a/{id', '/a?b', '/a/*', '/a/:id', '/ä']) assert.throws(() => untyped.get(path, read, { auth: anyone }), refused(/has a path that cannot be served: write it as '\/orders\/\{id\}'/), path)
})
