/** Words that every module of the shop uses. */
import { defineAuth, t } from 'tenfold'
import { maxPence } from './money.ts'

export const Id = t.String({ format: 'uuid' })
/** Money is whole pence, at most a million pounds. */
export const Pence = t.Integer({ minimum: 0, maximum: maxPence })
export const ById = t.Object({ id: Id })
export const Nothing = t.Null()
export const Role = t.Union([t.Literal('user'), t.Literal('admin')])
export const { anyone, signedIn, role, caller, tokens } = defineAuth({ principal: { id: Id, role: Role, jti: t.String() }, access: '15m', refresh: '7d', unlimited: ['admin'] })
