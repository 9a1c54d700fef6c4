import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from 'tenfold/testing'
import { app } from './app.ts'

test('what was written is found, the newest first', async () => {
  await using notes = await testApp(app)
  const client = notes.client()
  await client('POST /v1/notes', { text: 'one' })
  await notes.clock.advance('1s')
  await client('POST /v1/notes', { text: 'two' })
  assert.deepEqual((await client('GET /v1/notes', {})).map(({ text }) => text), ['two', 'one'])
})
