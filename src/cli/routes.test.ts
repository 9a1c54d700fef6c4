import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appDefinition, defineApp, defineModule, del, get, post, routes, t } from '../app/index.ts'
import { defineAuth } from '../auth/index.ts'
import { routeRows } from './routes.ts'
import { columns, cutLines } from './table.ts'

const { anyone, signedIn, role } = defineAuth({ principal: { id: t.String(), role: t.Union([t.Literal('user'), t.Literal('admin')]), jti: t.String() }, access: '15m', refresh: '7d' })
const things = defineModule()('things', { migrations: new URL('./none/', import.meta.url) })
const list = things.query('list', { input: t.Object({}), output: t.Integer() }).handle(async () => 1)
const add = things.command('add', { input: t.Object({ name: t.String() }), output: t.Null() }).handle(async () => null)
const remove = things.command('remove', { input: t.Object({ id: t.String() }), output: t.Null() }).handle(async () => null)

test('routes stand by path, and by method under one path, with all that a reader asks of them', () => {
  const app = defineApp('rows', { modules: [things], routes: [routes('/v1', [
    del('/things/{id}', remove, { auth: role('admin') }), post('/things', add, { auth: signedIn, idempotencyKey: 'required', limit: [{ by: 'address', rate: '20/min' }, { by: 'name', rate: '3/min' }] }), get('/things', list, { auth: anyone }),
  ])] })
  assert.deepEqual(routeRows(appDefinition(app)), [
    { method: 'GET', path: '/v1/things', kind: 'query', procedure: 'things.list', auth: 'anyone', limits: [], idempotencyKey: null },
    { method: 'POST', path: '/v1/things', kind: 'command', procedure: 'things.add', auth: 'signed in', limits: [{ by: 'address', rate: '20/min' }, { by: 'name', rate: '3/min' }], idempotencyKey: 'required' },
    { method: 'DELETE', path: '/v1/things/{id}', kind: 'command', procedure: 'things.remove', auth: 'role admin', limits: [], idempotencyKey: null },
  ])
})

test('columns stand under each other, and what is empty is a hyphen', () => {
  assert.equal(columns([['A', 'LONG', 'B'], ['one', 'x', ''], ['', 'word', 'end']]), 'A    LONG  B\none  x     -\n-    word  end\n')
})

test('lines for a terminal are cut to its width, and say so; without one they are whole', () => {
  const text = `${'x'.repeat(60)}\nshort\n`
  assert.equal(cutLines(text, undefined), text)
  assert.equal(cutLines(text, 60), text)
  assert.equal(cutLines(text, 59), `${'x'.repeat(58)}…\nshort\n`)
  assert.equal(cutLines('ab\u{1F600}cd', 4), 'ab…')
})
