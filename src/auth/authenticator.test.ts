import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAuth } from './define.ts'
import { createAuthenticator } from './authenticator.ts'
import { signAccessToken } from './token.ts'
import { t } from '../app/index.ts'
import { failed, isTenfoldError } from '../base/index.ts'
import type { Platform } from '../calls/index.ts'
import type { Statement } from '../data/index.ts'
import { createLogs, createMetrics } from '../observe/index.ts'
import { movableClock } from '../testing/clock.ts'

const key = Buffer.alloc(32, 1)
const auth = defineAuth({ principal: { id: t.String(), role: t.Union([t.Literal('user'), t.Literal('admin')]), jti: t.String() }, access: '15m', refresh: '7d' })
const { definition } = auth.signedIn as unknown as { definition: Parameters<typeof createAuthenticator>[1] } // rules carry it, unseen by applications

/** The tier beside a database that says what `answer` says: which tokens are revoked. */
function around() {
  const clock = movableClock()
  const lines: { level: string; message: string }[] = []
  const asked: Statement[] = []
  const state = { answer: async (): Promise<{ jti: string; access_expires_at: string }[]> => [] }
  const platform = {
    clock, metrics: createMetrics(), logs: createLogs({ level: 'info', write: (line) => lines.push(JSON.parse(line)) }), key: () => key,
    data: { databaseOf: () => undefined, execute: (_: unknown, statement: Statement) => { asked.push(statement); return state.answer() } },
  } as unknown as Platform // what an authenticator takes of it
  const token = async (more: { id?: string; jti?: string; role?: string; audience?: string } = {}) => {
    const issuedAtSeconds = Math.floor(clock.now() / 1000)
    const { audience = 'tenfold', ...principal } = more
    return `Bearer ${await signAccessToken(key, { principal: { id: 'u1', role: 'user', jti: 'j1', ...principal }, audience, issuedAtSeconds, expiresAtSeconds: issuedAtSeconds + 900 })}`
  }
  const inTenMinutes = () => new Date(clock.now() + 600_000).toISOString()
  return { clock, lines, asked, state, platform, token, inTenMinutes, authenticator: createAuthenticator(platform, definition) }
}

const refused = (message: RegExp) => (error: unknown) => isTenfoldError(error, 'unauthenticated') && message.test(error.message)

test('a header says who calls; without one nobody does', async () => {
  const { authenticator, token } = around()
  assert.equal(await authenticator.verify(undefined), null)
  const principal = await authenticator.verify(await token({ role: 'admin' }))
  assert.deepEqual(principal, { id: 'u1', role: 'admin', jti: 'j1' })
  assert.ok(Object.isFrozen(principal))
  for (const header of ['', 'Bearer', 'Bearer ', 'Basic dXNlcg==', 'Bearer a b', 'Bearer é', `Bearer ${'a'.repeat(100_000)}`, (await token()).slice(7)]) {
    await assert.rejects(authenticator.verify(header), refused(/holds no access token/), header.slice(0, 20))
  }
  await assert.rejects(authenticator.verify('Bearer nonsense'), refused(/not one that this server issued/))
})

test('a token seen again is the same principal, until it expires', async () => {
  const { authenticator, token, clock } = around()
  const header = await token()
  const principal = await authenticator.verify(header)
  assert.equal(await authenticator.verify(header), principal)
  clock.move(898_000)
  assert.equal(await authenticator.verify(header), principal)
  clock.move(2_000)
  await assert.rejects(authenticator.verify(header), refused(/has expired/))
  await assert.rejects(authenticator.verify(header), refused(/has expired/))
})

test('a token for another application, or of a principal that is none any more, is refused', async () => {
  const { authenticator, token } = around()
  await assert.rejects(token({ audience: 'other' }).then(authenticator.verify), refused(/another application/))
  await assert.rejects(token({ role: 'emperor' }).then(authenticator.verify), refused(/another version of this application/))
})

test('a revocation counts at once where it was committed, and elsewhere when the list was read', async () => {
  const { authenticator, token, state, asked, clock, inTenMinutes } = around()
  const [one, two, three] = [await token({ jti: 'j1' }), await token({ jti: 'j2' }), await token({ jti: 'j3' })]
  for (const header of [one, two, three]) await authenticator.verify(header)
  authenticator.onCommitted('orders.placed', { tokens: [{ jti: 'j3', expiresAt: clock.now() + 600_000 }] })
  authenticator.onCommitted('auth.revoked', { tokens: [{ jti: 'j1', expiresAt: clock.now() + 600_000 }] })
  await assert.rejects(authenticator.verify(one), refused(/was revoked/))
  await authenticator.verify(two)
  state.answer = async () => [{ jti: 'j2', access_expires_at: inTenMinutes() }]
  await authenticator.refreshRevoked()
  for (const header of [one, two]) await assert.rejects(authenticator.verify(header), refused(/was revoked/))
  await authenticator.verify(three)
  assert.match(asked[0]?.text ?? '', /from auth\.tokens where revoked_at is not null and access_expires_at > \$1/)
})

test('what is revoked while the list is being read is kept, and what has expired by itself leaves the list', async () => {
  const { authenticator, token, state, clock, platform } = around()
  const header = await token()
  await authenticator.verify(header)
  const answer = Promise.withResolvers<[]>()
  state.answer = () => answer.promise
  const reading = authenticator.refreshRevoked()
  authenticator.onCommitted('auth.revoked', { tokens: [{ jti: 'j1', expiresAt: clock.now() + 600_000 }] })
  answer.resolve([])
  await reading
  await assert.rejects(authenticator.verify(header), refused(/was revoked/))
  assert.match(platform.metrics.text(), /tenfold_auth_revoked_tokens 1/)
  clock.move(600_001)
  await authenticator.refreshRevoked()
  assert.match(platform.metrics.text(), /tenfold_auth_revoked_tokens 0/)
})

test('nobody is let in before the list was read once', async () => {
  const { authenticator, token, state } = around()
  state.answer = async () => { throw failed('database-unavailable', 'The database is away.') }
  await assert.rejects(authenticator.refreshRevoked(), (error: unknown) => isTenfoldError(error, 'database-unavailable'))
  await assert.rejects(token().then(authenticator.verify), (error: unknown) => isTenfoldError(error, 'database-unavailable'))
  state.answer = async () => [{ jti: 'j1', access_expires_at: new Date(2 ** 42).toISOString() }]
  await assert.rejects(token().then(authenticator.verify), refused(/was revoked/))
})

test('while the list cannot be read the last one stays, and after five seconds the log says so, once', async () => {
  const { authenticator, token, state, clock, lines, inTenMinutes } = around()
  const [good, bad] = [await token({ jti: 'j1' }), await token({ jti: 'j2' })]
  const rows = [{ jti: 'j2', access_expires_at: inTenMinutes() }]
  state.answer = async () => rows
  await authenticator.refreshRevoked()
  state.answer = async () => { throw failed('database-unavailable', 'The database is away.') }
  for (const stepMs of [1_000, 3_000, 2_000, 2_000]) {
    clock.move(stepMs)
    await authenticator.refreshRevoked()
    assert.equal(lines.length, stepMs === 2_000 ? 1 : 0)
  }
  assert.deepEqual([lines[0]?.level, /cannot be read/.test(lines[0]?.message ?? '')], ['error', true])
  await authenticator.verify(good)
  await assert.rejects(authenticator.verify(bad), refused(/was revoked/))
  state.answer = async () => rows
  await authenticator.refreshRevoked()
  assert.match(lines[1]?.message ?? '', /is read again/)
})

test('a database that does not answer at all is told of after five seconds too', async () => {
  const { authenticator, state, clock, lines } = around()
  await authenticator.refreshRevoked()
  const answer = Promise.withResolvers<[]>()
  state.answer = () => answer.promise
  const reading = authenticator.refreshRevoked()
  assert.equal(authenticator.refreshRevoked(), reading)
  clock.move(4_000)
  assert.equal(lines.length, 0)
  clock.move(1_001)
  assert.equal(lines.length, 1)
  answer.resolve([])
  await reading
})

test('a bounded number of tokens is remembered: more push out the one not seen for longest', async () => {
  const { platform, token } = around()
  const authenticator = createAuthenticator(platform, definition, 2)
  const headers = [await token({ jti: 'j1' }), await token({ jti: 'j2' }), await token({ jti: 'j3' })] as const
  const [first, second] = [await authenticator.verify(headers[0]), await authenticator.verify(headers[1])]
  assert.equal(await authenticator.verify(headers[0]), first)
  await authenticator.verify(headers[2])
  assert.equal(await authenticator.verify(headers[0]), first)
  assert.notEqual(await authenticator.verify(headers[1]), second)
})
