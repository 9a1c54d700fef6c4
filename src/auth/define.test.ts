import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAuth } from './define.ts'
import { type ActionContext, definitionOf, moduleDefinition, t } from '../app/index.ts'
import { isTenfoldError } from '../base/index.ts'

const Role = t.Union([t.Literal('user'), t.Literal('admin')])
const auth = defineAuth({ principal: { id: t.String(), role: Role, jti: t.String(), team: t.Optional(t.String()) }, access: '15m', refresh: '7d' })

test('its procedures take what the principal says, without the jti', () => {
  const { validate } = definitionOf(auth.tokens.issue)
  validate({ id: 'u1', role: 'user' })
  validate({ id: 'u1', role: 'user', team: 't1' })
  for (const wrong of [{ id: 'u1' }, { id: 'u1', role: 'emperor' }, { id: 'u1', role: 'user', jti: 'mine' }]) assert.throws(() => validate(wrong), (error: unknown) => isTenfoldError(error, 'invalid'))
  const { name, procedures, jobs, events } = moduleDefinition(auth.module)
  assert.deepEqual([name, [...procedures.keys()], [...jobs.keys()], [...events.keys()]], ['auth', ['issue', 'rotate', 'refresh', 'revoke'], ['sweep'], ['revoked']])
})

test('the types say what may be called, and by whom', () => {
  const call = async (ctx: ActionContext) => {
    const pair: { accessToken: string; refreshToken: string; expiresIn: number } = await ctx.call(auth.tokens.issue, { id: 'u1', role: 'admin' })
    // @ts-expect-error a role that is none
    await ctx.call(auth.tokens.issue, { id: 'u1', role: 'emperor' })
    // @ts-expect-error the platform makes the jti
    await ctx.call(auth.tokens.issue, { id: 'u1', role: 'user', jti: 'mine' })
    const next: typeof pair = await ctx.call(auth.tokens.refresh, { refreshToken: pair.refreshToken })
    const nothing: null = await ctx.call(auth.tokens.revoke, { jti: 'j1' })
    return [next, nothing]
  }
  assert.equal(typeof call, 'function')
  // @ts-expect-error a role that is none
  auth.role('emperor')
  // @ts-expect-error a principal without a jti
  assert.throws(() => defineAuth({ principal: { id: t.String() }, access: '15m', refresh: '7d' }), /no jti/)
})

test('what cannot work is refused where it is written', () => {
  const refused = (message: RegExp) => (error: unknown) => isTenfoldError(error, 'definition') && message.test(error.message)
  const principal = { id: t.String(), jti: t.String() }
  assert.throws(() => defineAuth({ principal: { ...principal, exp: t.Integer() }, access: '15m', refresh: '7d' }), refused(/the field exp/))
  assert.throws(() => defineAuth({ principal, access: '500ms', refresh: '7d' }), refused(/at least '1s'/))
  assert.throws(() => defineAuth({ principal, access: '7d', refresh: '15m' }), refused(/outlive/))
  assert.throws(() => defineAuth({ principal: { ...principal, id: auth.caller.id }, access: '15m', refresh: '7d' }), refused(/plain schemas/))
  assert.throws(() => auth.role(), refused(/names no role/))
})
