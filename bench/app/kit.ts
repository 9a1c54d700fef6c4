import { defineAuth, t } from '../../src/index.ts'

export const Id = t.String({ format: 'uuid' })
export const ById = t.Object({ id: Id })
export const { anyone, tokens } = defineAuth({ principal: { id: Id, jti: t.String() }, access: '15m', refresh: '7d' })
