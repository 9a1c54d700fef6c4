import { defineApp, defineAuth, defineModule, get, post, routes, t } from 'tenfold'

interface Tables { notes: { id: string; text: string } }

const notes = defineModule<Tables>()('notes', { migrations: new URL('./migrations/', import.meta.url) })
const { anyone } = defineAuth({ principal: { id: t.String(), role: t.String(), jti: t.String() }, access: '15m', refresh: '7d' })
const Note = t.Object({ id: t.String({ format: 'uuid' }), text: t.String({ minLength: 1, maxLength: 1000 }) })

const newest = notes.query('newest', { input: t.Object({}), output: t.Array(Note) }).handle((ctx) =>
  ctx.db.selectFrom('notes').select(['id', 'text']).orderBy('id', 'desc').limit(100).execute(),
)

const write = notes.command('write', { input: t.Pick(Note, ['text']), output: Note }).handle((ctx, { text }) =>
  ctx.db.insertInto('notes').values({ id: ctx.id('note'), text }).returning(['id', 'text']).executeTakeFirstOrThrow(),
)

export const app = defineApp('notes', {
  modules: [notes],
  routes: [routes('/v1', [
    get('/notes', newest, { auth: anyone }),
    post('/notes', write, { auth: anyone, status: 201 }),
  ])],
})
