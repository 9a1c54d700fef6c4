import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ann, probe } from '../../test/support/probe.ts'
import { problemOf } from '../../test/support/problems.ts'
import { deriveKey, seal } from '../base/index.ts'

test('a cursor is good for its own list and filters, whatever the size of the page, and for nothing else', async () => {
  await using running = await probe()
  const ask = (query: Record<string, string>, path = '/v1/things') => running.server.inject({ url: `${path}?${new URLSearchParams(query).toString()}`, headers: { authorization: ann } })
  const cursorOf = async (query: Record<string, string>, path?: string) => (await ask(query, path)).json<{ nextCursor: string }>().nextCursor
  const cursor = await cursorOf({ q: 'a', limit: '2' })
  for (const limit of ['2', '5']) assert.deepEqual((await ask({ q: 'a', limit, cursor })).json<{ data: object[] }>().data[0], { nth: 2 })
  const again = (await ask({ q: 'a', limit: '3', cursor })).json<{ nextCursor: string }>().nextCursor
  assert.deepEqual((await ask({ q: 'a', cursor: again })).json<{ data: object[] }>().data[0], { nth: 5 })
  const foreign = [await cursorOf({}), await cursorOf({ q: 'b' }), await cursorOf({ q: 'a', old: 'true' }), await cursorOf({}, '/v1/others')]
  for (const other of foreign) assert.deepEqual([problemOf(await ask({ q: 'a', cursor: other })).status, problemOf(await ask({ q: 'a', cursor: other })).code], [400, 'bad-cursor'])
})

test('a cursor of which one letter is changed, added or gone is refused, and so is any other text', async () => {
  await using running = await probe()
  const ask = (cursor: string) => running.server.inject(`/v1/things?cursor=${encodeURIComponent(cursor)}`)
  const { nextCursor } = (await running.server.inject('/v1/things')).json<{ nextCursor: string }>()
  assert.equal((await ask(nextCursor)).statusCode, 200)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const changed = Array.from(nextCursor, (letter, at) => [...letters].filter((other) => other !== letter).map((other) => nextCursor.slice(0, at) + other + nextCursor.slice(at + 1))).flat()
  const last = changed.slice(-63)
  // Of the last letter all: base64 reads four letters there as one.
  for (const wrong of [...changed.filter((_, nth) => nth % 97 === 0), ...last]) assert.equal(problemOf(await ask(wrong)).code, 'bad-cursor', wrong)
  const [body = '', mac = ''] = nextCursor.split('.')
  const forged = Buffer.from(Buffer.from(body, 'base64url').toString().replace('20', '99')).toString('base64url')
  for (const wrong of [nextCursor.slice(1), nextCursor.slice(0, -1), `${nextCursor}A`, `${nextCursor}=`, `${nextCursor} `, `${nextCursor}.`, `.${mac}`, `${body}.`, body, '.', '', 'null', '[]', '{}', '20', `${forged}.${mac}`, `${body}.${'A'.repeat(22)}`, nextCursor.toUpperCase(), '\u0000', '%', 'x'.repeat(2_000)]) {
    assert.equal(problemOf(await ask(wrong)).code, 'bad-cursor', wrong.slice(0, 60))
  }
  assert.equal(problemOf(await running.server.inject(`/v1/things?cursor=${nextCursor}&cursor=${nextCursor}`)).code, 'bad-cursor')
})

test('a cursor under another secret is refused', async () => {
  await using running = await probe()
  const { nextCursor } = (await running.server.inject('/v1/things')).json<{ nextCursor: string }>()
  const payload = Buffer.from(nextCursor.split('.')[0] ?? '', 'base64url').toString()
  const sealed = (secret: Buffer) => running.server.inject(`/v1/things?cursor=${seal(deriveKey(secret, 'cursors'), payload)}`)
  assert.equal((await sealed(Buffer.alloc(32, 7))).statusCode, 200, 'as processes of one deployment share it')
  assert.equal(problemOf(await sealed(Buffer.alloc(32, 8))).code, 'bad-cursor')
})
