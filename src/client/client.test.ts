import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from './client.ts'

type Routes = { readonly '~app': never; readonly name: 'none' }
/** A server whose answers come when told, each with the token that it is given; and what was sent to it. */
function setUp() {
  const asked: { sent: string | undefined; answer: (token?: string) => void }[] = []
  const client = createClient<Routes>({ baseUrl: '', fetch: (_url, init) => new Promise((resolve) => {
    asked.push({ sent: (init.headers as Record<string, string>)['tenfold-consistency'], answer: (token) => resolve(new Response('{}', { headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { 'tenfold-consistency': token }) } })) })
  }) }) as unknown as (route: string, input: object) => Promise<unknown> // any route
  const begin = async () => { const answered = client('GET /a', {}); await new Promise<void>((resolve) => { setImmediate(resolve) }); return { answered } }
  return { asked, begin, sent: () => asked.at(-1)?.sent }
}

test('a call says what the answers before it have seen', async () => {
  const { asked, begin, sent } = setUp()
  for (const [index, token] of ['one', undefined, 'two'].entries()) {
    const { answered } = await begin()
    asked[index]?.answer(token)
    await answered
  }
  assert.deepEqual(asked.map((one) => one.sent), [undefined, 'one', 'one'])
  await begin()
  assert.equal(sent(), 'two')
})

test('answers in another order than that of their calls take nothing from each other', async () => {
  const { asked, begin, sent } = setUp()
  const [write, read] = [await begin(), await begin()]
  asked[0]?.answer('written')
  await write.answered
  asked[1]?.answer('read')
  await read.answered
  const { answered } = await begin()
  assert.equal(sent(), 'written, read', 'the later answer knew nothing of the earlier one')
  asked[2]?.answer('both')
  await answered
  await begin()
  assert.equal(sent(), 'both', 'and this one knew of both')
})

test('it never sends more of them than the server reads', async () => {
  const { asked, begin, sent } = setUp()
  const calls = []
  for (let index = 0; index < 40; index++) calls.push(await begin())
  for (const [index, { answered }] of calls.entries()) { asked[index]?.answer(`t${index}`); await answered }
  await begin()
  assert.deepEqual(sent()?.split(', '), Array.from({ length: 16 }, (_, index) => `t${index + 24}`))
})
