import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { defineAuth } from './define.ts'
import { defineApp, defineModule, del, get, post, put, routes, t } from '../app/index.ts'
import { isTenfoldError } from '../base/index.ts'
import { type MovableClock, testApp, type TestApp } from '../testing/index.ts'

const Id = t.String({ format: 'uuid' })
const Role = t.Union([t.Literal('user'), t.Literal('admin')])
const { anyone, signedIn, role, caller, tokens } = defineAuth({ principal: { id: Id, role: Role, jti: t.String() }, access: '15m', refresh: '7d' })
const Pair = t.Object({ accessToken: t.String(), refreshToken: t.String(), expiresIn: t.Integer() })
const WhoAmI = t.Object({ id: Id, role: Role, jti: t.String() })

const members = defineModule()('members', { migrations: new URL('./none/', import.meta.url) })
const none = { backstop: { none: 'one step' } } as const
const signIn = members.action('signIn', { input: t.Object({ id: Id, role: Role }), output: Pair, ...none }).handle((ctx, input) => ctx.call(tokens.issue, input))
const refresh = members.action('refresh', { input: t.Object({ refreshToken: t.String() }), output: Pair, ...none }).handle((ctx, input) => ctx.call(tokens.refresh, input))
const signOut = members.action('signOut', { input: t.Object({ jti: caller.jti }), output: t.Null(), ...none }).handle((ctx, { jti }) => ctx.call(tokens.revoke, { jti }))
const whoAmI = members.query('whoAmI', { input: t.Object({ id: caller.id, role: caller.role, jti: caller.jti }), output: WhoAmI }).handle(async (_ctx, input) => input)
const reign = members.command('reign', { input: t.Object({}), output: t.Null() }).handle(async () => null)
const app = defineApp('members', { modules: [members], routes: [routes('/v1', [
  post('/sessions', signIn, { auth: anyone, status: 201 }), post('/sessions/refresh', refresh, { auth: anyone, status: 201 }), del('/sessions/current', signOut, { auth: signedIn, status: 204 }),
  get('/me', whoAmI, { auth: signedIn }), put('/reign', reign, { auth: role('admin') }),
])] })

const id = '018f0000-0000-8000-8000-000000000001'
interface Pair { accessToken: string; refreshToken: string; expiresIn: number }
type Running = TestApp<typeof app>

const begin = (running: Running, as: 'user' | 'admin' = 'user') => running.call(signIn, { id, role: as })
const renew = (running: Running, { refreshToken }: Pick<Pair, 'refreshToken'>) => running.call(refresh, { refreshToken })
const isRefused = (message = /./) => (error: unknown) => isTenfoldError(error, 'unauthenticated') && error.status === 401 && message.test(error.message)
async function send(running: Running, method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, options: { accessToken?: string; body?: object } = {}) {
  const { accessToken, body } = options
  const answer = await running.engine.server.inject({ method, url, headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }, ...(body ? { payload: body } : {}) })
  return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() as { code?: string; id?: string; jti?: string } }
}
const me = async (running: Running, { accessToken }: Pair) => (await send(running, 'GET', '/v1/me', { accessToken })).status
async function rows<T extends Record<string, unknown>>(running: Running, text: string): Promise<T[]> {
  const { data } = running.engine.platform
  return data.execute(data.databaseOf(undefined), { text }) as unknown as Promise<T[]> // the test knows what it asks for
}
const count = async (running: Running, table: string) => (await rows<{ count: number }>(running, `select count(*) from auth.${table}`))[0]?.count

for (const stage of ['plain', 'hostile'] as const) {
  test(`a session's life: sign in, call, refresh, sign out (${stage})`, async () => {
    await using running = await testApp(app, { stage })
    const first = await begin(running)
    assert.equal(first.expiresIn, 900)
    const seen = await send(running, 'GET', '/v1/me', first)
    assert.deepEqual([seen.status, seen.body?.id], [200, id])
    const second = await renew(running, first)
    assert.deepEqual([await me(running, first), await me(running, second)], [401, 200])
    assert.equal((await send(running, 'DELETE', '/v1/sessions/current', second)).status, 204)
    assert.equal(await me(running, second), 401)
    await assert.rejects(renew(running, second), isRefused(/session that has ended/))
    await running.call(tokens.revoke, { jti: '018f0000-0000-8000-8000-00000000dead' })
  })
}

test('a refresh token that comes a second time ends its session, and that lasts though the caller gets a 401', async () => {
  await using running = await testApp(app)
  const [first, other] = [await begin(running), await begin(running)]
  const second = await renew(running, first)
  const third = await renew(running, second)
  const again = await send(running, 'POST', '/v1/sessions/refresh', { body: { refreshToken: first.refreshToken } })
  assert.deepEqual([again.status, again.body?.code], [401, 'unauthenticated'])
  assert.equal(await me(running, third), 401)
  for (const pair of [first, second, third]) await assert.rejects(renew(running, pair), isRefused(/has ended/))
  assert.equal(await me(running, other), 200)
  await renew(running, other)
})

test('of two refreshes at once one wins; the other is a second use, so the session ends', async () => {
  await using running = await testApp(app)
  const sessions = await Promise.all(Array.from({ length: 10 }, () => begin(running))) // which also opens all connections
  for (const first of sessions) {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => renew(running, first)))
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    assert.equal(won.length, 1)
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isRefused()(outcome.reason), String(outcome.reason))
    const pair = won[0]?.value as Pair
    assert.equal(await me(running, pair), 401)
    await assert.rejects(renew(running, pair), isRefused(/has ended/))
  }
  assert.equal(await count(running, 'tokens'), 20)
})

test('a refresh and a sign-out at once leave nothing alive', async () => {
  await using running = await testApp(app)
  for (let round = 0; round < 10; round++) {
    const first = await begin(running)
    const jti = (await send(running, 'GET', '/v1/me', first)).body?.jti ?? ''
    const [refreshed, revoked] = await Promise.allSettled([renew(running, first), running.call(tokens.revoke, { jti })])
    assert.equal(revoked.status, 'fulfilled')
    if (refreshed.status === 'fulfilled') assert.equal(await me(running, refreshed.value), 401)
    await running.engine.authenticator?.refreshRevoked()
    assert.equal(await me(running, first), 401)
  }
})

test('another process refuses what this one revoked once it has read the list', async () => {
  await using running = await testApp(app)
  const { createAuthenticator } = await import('./authenticator.ts')
  const { definition } = signedIn as unknown as { definition: Parameters<typeof createAuthenticator>[1] } // rules carry it, unseen by applications
  const other = createAuthenticator(running.engine.platform, definition)
  const [ended, refreshed, lasting] = [await begin(running), await begin(running), await begin(running)]
  const verify = ({ accessToken }: Pair) => other.verify(`Bearer ${accessToken}`)
  const principal = await verify(ended)
  await running.call(tokens.revoke, { jti: String(principal?.['jti']) })
  const next = await renew(running, refreshed)
  for (const pair of [ended, refreshed, lasting]) assert.equal((await verify(pair))?.['id'], id)
  await other.refreshRevoked()
  for (const pair of [ended, refreshed]) await assert.rejects(verify(pair), isRefused(/was revoked/))
  for (const pair of [next, lasting]) assert.equal((await verify(pair))?.['id'], id)
})

test('tokens expire: access after 15 minutes, refresh after 7 days', async () => {
  await using running = await testApp(app)
  const first = await begin(running)
  await running.clock.advance('16m')
  assert.equal(await me(running, first), 401)
  const second = await renew(running, first)
  assert.equal(await me(running, second), 200)
  const clock = running.engine.platform.clock as MovableClock // moved without the jobs that would sweep the row away
  clock.move(7 * 86_400_000 - 1_000)
  const third = await renew(running, second)
  clock.move(7 * 86_400_000)
  await assert.rejects(renew(running, third), isRefused(/has expired/))
})

test('what is no refresh token of ours is refused', async () => {
  await using running = await testApp(app)
  const { refreshToken, accessToken } = await begin(running)
  for (const wrong of ['', 'x', refreshToken.slice(1), `${refreshToken}=`, ` ${refreshToken}`, hash('sha256', refreshToken), "' or 1=1 --", accessToken.slice(0, 500)]) {
    await assert.rejects(running.call(refresh, { refreshToken: wrong }), isRefused(/not one that this server knows/), wrong)
  }
  // What no text of ours can hold is refused before anybody looks for it.
  for (const wrong of ['x\0y', '\ud800']) await assert.rejects(running.call(refresh, { refreshToken: wrong }), { code: 'invalid' })
  await renew(running, { refreshToken })
})

test('refresh tokens are kept as digests only, and what has expired is swept', async () => {
  await using running = await testApp(app)
  const first = await begin(running)
  await begin(running)
  const second = await renew(running, first)
  const kept = JSON.stringify([await rows(running, 'select *, refresh_hash::text from auth.tokens'), await rows(running, 'select * from auth.families'), await rows(running, 'select * from tenfold.outbox'), await rows(running, 'select * from tenfold.records')])
  for (const { refreshToken, accessToken } of [first, second]) assert.ok(!kept.includes(refreshToken) && !kept.includes(accessToken))
  await running.clock.advance('6d')
  const third = await renew(running, second)
  await running.clock.advance('2d')
  assert.deepEqual([await count(running, 'families'), await count(running, 'tokens')], [1, 1])
  await assert.rejects(renew(running, first), isRefused(/not one that this server knows/))
  await renew(running, third)
  // More than one pass takes.
  await rows(running, `insert into auth.families (id, principal, expires_at) select gen_random_uuid(), '{}', now() from generate_series(1, 6000)`)
  await rows(running, `insert into auth.tokens (jti, family, refresh_hash, issued_at, access_expires_at, refresh_expires_at) select gen_random_uuid(), id, sha256(id::text::bytea), now(), now(), now() from auth.families where principal = '{}'`)
  await running.clock.advance('8d')
  assert.deepEqual([await count(running, 'families'), await count(running, 'tokens')], [0, 0])
})

test('a role is the one that was signed in with', async () => {
  await using running = await testApp(app)
  const [user, admin] = [await begin(running), await begin(running, 'admin')]
  const reigning = async ({ accessToken }: Pair) => (await send(running, 'PUT', '/v1/reign', { accessToken, body: {} })).status
  assert.deepEqual([await reigning(user), await reigning(admin), await reigning(await renew(running, admin))], [403, 200, 200])
  assert.deepEqual([(await send(running, 'PUT', '/v1/reign', { body: {} })).status, (await send(running, 'GET', '/v1/me')).status], [401, 401])
})
