/** Number 19 of the mistakes: the compiler does not see an answer with more fields than its output names. None of them leaves. */
import assert from 'node:assert/strict'
import { defineApp, defineModule, get, page, pageInput, pageOf, post, routes, t } from 'tenfold'
import { anyone, Id, signedIn } from '../../examples/shop/kit.ts'
import { atEveryStage } from '../support/stages.ts'

interface Tables { people: { id: string; name: string; passwordHash: string; profile: { city: string; salary: number } } }
const people = defineModule<Tables>()('people', { migrations: new URL('./migrations/people/', import.meta.url) })
const Person = t.Object({ id: Id, name: t.String(), profile: t.Object({ city: t.String() }) })
const ById = t.Object({ id: Id })
const row = { id: '00000000-0000-8000-8000-000000000001', name: 'ann', passwordHash: 'scrypt', profile: { city: 'Oslo', salary: 7 } }
const seen = { id: row.id, name: 'ann', profile: { city: 'Oslo' } }

const add = people.command('add', { input: t.Object({}), output: Person }).handle((ctx) => ctx.db.insertInto('people').values(row).returningAll().executeTakeFirstOrThrow())
const byHandler = people.query('byHandler', { input: ById, output: Person }).handle((ctx, { id }) => ctx.db.selectFrom('people').selectAll().where('id', '=', id).executeTakeFirstOrThrow())
const byStatement = people.query('byStatement', { input: ById, output: Person }).statement((db, { id }) => db.selectFrom('people').selectAll().where('id', '=', id))
const remembered = people.query('remembered', { input: ById, output: Person, cache: { ttl: '1m', invalidatedBy: { none: 'nobody changes' } } }).statement((db, { id }) => db.selectFrom('people').selectAll().where('id', '=', id))
const maybe = people.query('maybe', { input: ById, output: t.Union([t.Null(), Person]) }).handle(async (ctx, { id }) => await ctx.db.selectFrom('people').selectAll().where('id', '=', id).executeTakeFirst() ?? null)
const all = people.query('all', { input: t.Object({}), output: t.Array(Person) }).statement((db) => db.selectFrom('people').selectAll())
const paged = people.query('paged', { input: pageInput({}), output: pageOf(Person) }).handle((ctx, input) => page(ctx.db.selectFrom('people').selectAll(), input, ['id']))
const looked = people.lookup('looked', { input: ById, output: Person }).handle(async (ctx, input) => ({ ...await ctx.call(byHandler, input), ...row }))
const acted = people.action('acted', { input: ById, output: Person, backstop: { none: 'reads only' } }).handle(async (ctx, input) => ({ ...await ctx.call(byHandler, input), ...row }))
/** What a neighbour gets to see: its own answer says which fields came. */
const fieldsSeen = people.lookup('fieldsSeen', { input: ById, output: t.Array(t.String()) }).handle(async (ctx, input) => Object.keys(await ctx.call(byHandler, input)))

const app = defineApp('leak', {
  modules: [people],
  routes: [routes('/v1', [get('/people/{id}', byHandler, { auth: anyone }), get('/people', paged, { auth: signedIn }), post('/people', add, { auth: anyone }), get('/looked/{id}', looked, { auth: anyone })])],
})

atEveryStage('a column that the output does not name leaves by no way', app, async (running) => {
  assert.deepEqual(await running.call(add, {}), seen)
  for (const procedure of [byHandler, byStatement, remembered, remembered, maybe, looked, acted]) assert.deepEqual(await running.call(procedure, { id: row.id }), seen, procedure.name)
  assert.deepEqual(await running.call(acted, { id: row.id }, { key: 'once' }), seen)
  assert.deepEqual(await running.call(acted, { id: row.id }, { key: 'once' }), seen, 'from its record')
  assert.deepEqual(await running.call(all, {}), [seen])
  assert.deepEqual((await running.call(paged, {})).data, [seen])
  assert.deepEqual((await running.call(fieldsSeen, { id: row.id })).toSorted(), ['id', 'name', 'profile'])
  // Another caller, who has seen nothing yet: what it may read is what has settled.
  await running.settle()
  const client = running.client({ id: row.id, role: 'user' })
  assert.deepEqual(await client('GET /v1/people/{id}', { id: row.id }), seen)
  assert.deepEqual(await client('GET /v1/looked/{id}', { id: row.id }), seen)
  assert.deepEqual((await client('GET /v1/people', {})).data, [seen])
})
