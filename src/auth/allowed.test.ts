import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowed } from './allowed.ts'
import { defineAuth } from './define.ts'
import { defineModule, get, post, type RouteDefinition, t } from '../app/index.ts'
import { isTenfoldError } from '../base/index.ts'
import type { Call, Way } from '../calls/index.ts'

const auth = defineAuth({ principal: { id: t.String(), role: t.Union([t.Literal('user'), t.Literal('admin')]), jti: t.String() }, access: '15m', refresh: '7d' })
const module = defineModule()('things', { migrations: new URL('./migrations/', import.meta.url) })
const list = module.query('list', { input: t.Object({ limit: t.Integer() }), output: t.Null() }).handle(async () => null)
const mine = module.command('mine', { input: t.Object({ owner: auth.caller.id, session: auth.caller.jti, name: t.String() }), output: t.Null() }).handle(async () => null)
const routeOf = (route: unknown) => route as RouteDefinition // `Route` is the public face

const principal = { id: 'u1', role: 'user', jti: 'j1' }
const authenticator = { verify: async (header: string | undefined) => header === undefined ? null : principal }

/** What the handler would see of a call on that route. */
async function pass(route: unknown, input: unknown, authorization?: string): Promise<Pick<Call, 'input' | 'caller'>> {
  const call = { input, caller: { id: 'nobody' }, arrival: { address: '', authorization, limits: [] } } as unknown as Call // the fields that this step looks at
  const next: Way = async ({ input: seen, caller }) => ({ input: seen, caller })
  return await allowed(authenticator, routeOf(route))(next)(call) as Pick<Call, 'input' | 'caller'>
}

test('on a route for anyone a header means nothing', async () => {
  const route = get('/things', list, { auth: auth.anyone })
  assert.deepEqual(await pass(route, { limit: 1 }, 'Bearer x'), { input: { limit: 1 }, caller: null })
  assert.deepEqual(await pass(route, { limit: 1 }), { input: { limit: 1 }, caller: null })
})

test('a route for callers refuses who has no token, with the remedy', async () => {
  const route = get('/things', list, { auth: auth.signedIn })
  await assert.rejects(pass(route, { limit: 1 }), (error: unknown) => isTenfoldError(error, 'unauthenticated') && error.status === 401 && /sign in/.test(error.message))
  assert.deepEqual(await pass(route, { limit: 1 }, 'Bearer x'), { input: { limit: 1 }, caller: principal })
})

test('only the identity fills the fields of the caller, whatever the input says', async () => {
  const route = post('/things', mine, { auth: auth.signedIn })
  const { input, caller } = await pass(route, { name: 'n', owner: 'somebody else' }, 'Bearer x')
  assert.deepEqual(input, { name: 'n', owner: 'u1', session: 'j1' })
  assert.equal(caller, principal)
})

test('a role is asked for by name', async () => {
  await assert.rejects(pass(get('/things', list, { auth: auth.role('admin') }), {}, 'Bearer x'), (error: unknown) => isTenfoldError(error, 'forbidden') && error.status === 403 && /role admin/.test(error.message))
  await assert.rejects(pass(get('/things', list, { auth: auth.role('admin') }), {}), (error: unknown) => isTenfoldError(error, 'unauthenticated'))
  assert.equal((await pass(get('/things', list, { auth: auth.role('admin', 'user') }), {}, 'Bearer x')).caller, principal)
})
