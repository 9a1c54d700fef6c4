/** An application whose answers say by themselves whether the promises hold: registers that are counted up, twice each. */
import { defineApp, defineAuth, defineModule, get, post, type Reads, routes, t } from 'tenfold'

interface Tables { leftSide: { id: string; version: number }; rightSide: { id: string; version: number } }

const registers = defineModule<Tables>()('registers', { migrations: new URL('./migrations/', import.meta.url) })
const { anyone } = defineAuth({ principal: { id: t.String(), role: t.String(), jti: t.String() }, access: '15m', refresh: '7d' })
const Id = t.Object({ id: t.String({ minLength: 1, maxLength: 40 }) })
const Register = t.Object({ left: t.Integer(), right: t.Integer() })

const bump = registers.command('bump', { input: Id, output: t.Object({ version: t.Integer() }), isolation: 'read committed' }).handle(async (ctx, { id }) => {
  const [left] = await ctx.db.sql<{ version: number }>`insert into left_side as l values (${id}, 1) on conflict (id) do update set version = l.version + 1 returning version`
  await ctx.db.sql`insert into right_side as r values (${id}, 1) on conflict (id) do update set version = r.version + 1`
  return { version: left?.version ?? 0 }
})

const bothSides = async ({ db }: { db: Reads<Tables> }, { id }: { id: string }) => ({
  left: (await db.selectFrom('leftSide').select('version').where('id', '=', id).executeTakeFirst())?.version ?? 0,
  right: (await db.selectFrom('rightSide').select('version').where('id', '=', id).executeTakeFirst())?.version ?? 0,
})
const look = registers.query('look', { input: Id, output: Register }).handle(bothSides)
const lookNow = registers.query('lookNow', { input: Id, output: Register, consistency: 'primary' }).handle(bothSides)

export const app = defineApp('registers', {
  modules: [registers],
  routes: [routes('/v1', [
    post('/registers/{id}', bump, { auth: anyone, idempotencyKey: 'required' }),
    get('/registers/{id}', look, { auth: anyone }),
    get('/registers/{id}/now', lookNow, { auth: anyone }),
  ])],
})
