import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { defineApp, defineModule, t } from 'tenfold'
import { testApp } from 'tenfold/testing'

const Id = t.String({ maxLength: 100 })
const parcels = defineModule<{ marks: { id: string; label: string } }>()('parcels', { migrations: new URL('../ledger/migrations/parcels/', import.meta.url) })
const labelOf = parcels.query('labelOf', { input: t.Object({ id: Id }), output: t.Object({ label: t.String() }), notFound: 'mark' }).statement((db, { id }) => db.selectFrom('marks').select('label').where('id', '=', id))
const add = parcels.command('add', { input: t.Object({ labels: t.Array(t.String(), { maxItems: 100 }), oneByOne: t.Boolean() }), output: t.Array(Id) }).handle(async (ctx, { labels, oneByOne }) => {
  const rows = labels.map((label, index) => ({ id: ctx.id(`mark ${index}`), label }))
  if (oneByOne) {
    for (const row of rows) {
      await ctx.db.insertInto('marks').values(row).execute() // here: inserts
    }
  } else await ctx.db.insertInto('marks').values(rows).execute()
  return rows.map(({ id }) => id)
})
const read = parcels.query('read', { input: t.Object({ ids: t.Array(Id, { maxItems: 100 }), how: t.String() }), output: t.Integer() }).handle(async (ctx, { ids, how }) => {
  if (how === 'loop') {
    for (const id of ids) {
      await ctx.db.selectFrom('marks').select('label').where('id', '=', id).execute() // here: a loop
    }
  }
  if (how === 'at once') {
    await Promise.all(ids.map(async (id) => {
      await ctx.db.selectFrom('marks').selectAll().where('id', '=', id).execute() // here: at once
    }))
  }
  if (how === 'calls') {
    for (const id of ids) {
      await ctx.call(labelOf, { id }) // here: calls
    }
  }
  if (how === 'batched') await Promise.all(ids.map((id) => ctx.call(labelOf, { id })))
  if (how === 'list') await ctx.db.selectFrom('marks').select('label').where('id', 'in', ids).execute()
  return ids.length
})
const app = defineApp('parcels', { modules: [parcels], routes: [] })

const line = (words: string) => readFileSync(import.meta.filename, 'utf8').split('\n').findIndex((text) => text.endsWith(`// here: ${words}`)) + 1

test('a statement that one request sends again and again is told once, with the line that sends it; what is asked for at once is not', async () => {
  const told: string[] = []
  await using running = await testApp(app, { onRepeated: (text) => told.push(text) })
  const labels = Array.from({ length: 8 }, (_, index) => `label ${index}`)
  const ids = await running.call(add, { labels, oneByOne: false })
  await running.call(read, { ids, how: 'batched' })
  await running.call(read, { ids, how: 'list' })
  for (let nth = 0; nth < 6; nth++) await running.call(read, { ids: ids.slice(0, 4), how: 'loop' }) // four of each request, and six requests
  assert.deepEqual(told, [])

  for (const [how, words] of [['loop', /sends the same statement for the 5th time in one request.*: select "label" from "marks" where "id" = \$1\. Ask once for all/], ['at once', /: select \* from "marks"/], ['calls', /^N\+1: parcels\.labelOf .*: the statement of parcels\.labelOf\./]] as const) {
    await running.call(read, { ids, how })
    await running.call(read, { ids, how })
    assert.equal(told.length, 1, `${how}: ${told.join('\n')}`)
    assert.match(told[0] ?? '', words)
    assert.match(told.pop() ?? '', new RegExp(`, at test/tracing/repeats\\.test\\.ts:${line(how === 'loop' ? 'a loop' : how)}[:,]`))
  }
  await running.call(add, { labels, oneByOne: true })
  assert.equal(told.length, 1)
  assert.match(told[0] ?? '', new RegExp(`^N\\+1: parcels\\.add .*repeats\\.test\\.ts:${line('inserts')}: insert into .* Send all rows in one insert`))
})
