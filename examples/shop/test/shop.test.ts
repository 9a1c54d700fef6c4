import assert from 'node:assert/strict'
import type { ProblemError } from 'tenfold/client'
import { alike, mostPopular } from '../catalogue/recommendations.ts'
import { address, atEveryStage, customer } from './harness.ts'

const problem = (code: string, status: number) => (error: ProblemError) => error.problem?.code === code && error.problem.status === status

atEveryStage('an account is made once, whatever the case of its address', async (shop) => {
  const client = shop.client()
  const email = address('Ann')
  const user = await client('POST /v1/users', { email, password: 'correct horse', name: 'Ann' })
  assert.deepEqual(user, { id: user.id, email, name: 'Ann' })
  await assert.rejects(client('POST /v1/users', { email: email.toUpperCase(), password: 'correct horse', name: 'Ann' }), problem('email-taken', 409))
  await assert.rejects(client('POST /v1/users', { email: 'nobody', password: 'x', name: '', admin: true } as never), (error: ProblemError) => {
    assert.deepEqual(error.problem.errors?.map(({ path }) => path).toSorted(), ['/admin', '/email', '/name', '/password'])
    return error.problem.status === 422
  })
})

atEveryStage('one signs in, refreshes and signs out; a used refresh token ends the family', async (shop) => {
  const client = shop.client()
  const email = address('bob')
  await client('POST /v1/users', { email, password: 'correct horse', name: 'Bob' })
  const wrong = await client.try('POST /v1/sessions', { email, password: 'wrong horse' })
  const unknown = await client.try('POST /v1/sessions', { email: 'nobody@example.com', password: 'wrong horse' })
  const facts = (tried: typeof wrong) => tried.ok ? tried : { ...tried.problem, requestId: '' }
  assert.deepEqual(facts(wrong), facts(unknown), 'neither tells which addresses have accounts')
  assert.equal(!wrong.ok && wrong.problem.status, 401)
  const first = await client('POST /v1/sessions', { email, password: 'correct horse' })
  assert.equal(first.expiresIn, 900)
  const second = await client('POST /v1/sessions/refresh', { refreshToken: first.refreshToken })
  await assert.rejects(client('POST /v1/sessions/refresh', { refreshToken: first.refreshToken }), problem('unauthenticated', 401))
  await assert.rejects(client('POST /v1/sessions/refresh', { refreshToken: second.refreshToken }), problem('unauthenticated', 401))
  const third = await client('POST /v1/sessions', { email, password: 'correct horse' })
  const { server } = shop.engine
  const as = { authorization: `Bearer ${third.accessToken}` }
  assert.equal((await server.inject({ url: '/v1/orders', headers: as })).statusCode, 200)
  assert.equal((await server.inject({ method: 'DELETE', url: '/v1/sessions/current', headers: as })).statusCode, 204)
  assert.equal((await server.inject({ url: '/v1/orders', headers: as })).statusCode, 401)
})

atEveryStage('products are found by all their words, page by page, and a cursor survives a change of price', async (shop) => {
  const client = shop.client()
  const { id } = await customer(shop, address('c'))
  const admin = shop.client({ id, role: 'admin' })
  const names = async (q: string) => (await client('GET /v1/products', { q })).data.map(({ name }) => name).toSorted()
  assert.deepEqual(await names('lamp'), ['LAMP', 'Red lamp'])
  assert.deepEqual(await names('  RED   lam '), ['Red lamp'])
  assert.deepEqual(await names('10002a mug'), ['Mug 100%'])
  assert.deepEqual([await names('0%'), await names('_'), await names('\\')], [['Mug 100%'], [], []])
  const all = (await client('GET /v1/products', {})).data
  const first = await client('GET /v1/products', { limit: 2 })
  assert.equal(first.hasMore, true)
  for (const product of first.data) await admin('PUT /v1/products/{id}/price', { id: product.id, price: 9_999 })
  const rest = await client('GET /v1/products', { limit: 2, cursor: first.nextCursor as string })
  assert.deepEqual([...first.data, ...rest.data].map((product) => product.id), all.map((product) => product.id))
  assert.deepEqual([rest.hasMore, rest.nextCursor], [false, null])
  await assert.rejects(client('GET /v1/products', { cursor: first.nextCursor as string, q: 'lamp' }), problem('bad-cursor', 400))
  await assert.rejects(client('GET /v1/products', { limit: 101 }), problem('invalid', 422))
})

atEveryStage('an admin changes a price, and reads it at once; nobody else may', async (shop) => {
  const { id, client } = await customer(shop, address('d'))
  const admin = shop.client({ id, role: 'admin' })
  const [product] = (await client('GET /v1/products', {})).data
  assert.ok(product)
  await assert.rejects(client('PUT /v1/products/{id}/price', { id: product.id, price: 1 }), problem('forbidden', 403))
  await assert.rejects(shop.client()('PUT /v1/products/{id}/price', { id: product.id, price: 1 }), problem('unauthenticated', 401))
  await client('GET /v1/products/{id}', { id: product.id })
  for (const price of [5, 6, 7]) {
    assert.equal((await admin('PUT /v1/products/{id}/price', { id: product.id, price })).price, price)
    assert.equal((await admin('GET /v1/products/{id}', { id: product.id })).price, price)
    assert.equal((await client('GET /v1/products/{id}', { id: product.id })).price, price)
    assert.equal((await client('GET /v1/products', {})).data.find((other) => other.id === product.id)?.price, price)
  }
  await assert.rejects(admin('PUT /v1/products/{id}/price', { id: '00000000-0000-8000-8000-000000000000', price: 1 }), problem('not-found', 404))
})

atEveryStage('recommendations come from the recommender; while it is down, what is popular does, and says so', async (shop) => {
  const client = shop.client()
  const [product, other] = (await client('GET /v1/products', {})).data
  assert.ok(product && other)
  shop.replace(alike, () => ({ ids: [other.id] }))
  assert.deepEqual(await client('GET /v1/products/{id}/recommendations', { id: product.id }), { products: [other], degraded: false })
  shop.down(alike)
  assert.deepEqual(await client('GET /v1/products/{id}/recommendations', { id: product.id }), { products: await shop.call(mostPopular, { limit: 10 }), degraded: true })
  await assert.rejects(client('GET /v1/products/{id}/recommendations', { id: '00000000-0000-8000-8000-000000000000' }), problem('not-found', 404))
})
