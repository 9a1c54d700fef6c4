/** The OpenAPI document is whole, and what the shop answers is what it says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from 'tenfold/testing'
import Compiler from 'typebox/schema'
import { app } from '../app.ts'
import { importProducts, productIds } from '../catalogue/importing.ts'
import { alike } from '../catalogue/recommendations.ts'
import { tokens } from '../kit.ts'
import { contact } from '../identity/identity.ts'
import { send as sendMail } from '../notifications/notifications.ts'
import { charge } from '../payments/payments.ts'

interface Operation { operationId: string; parameters?: { name: string; in: string; required?: boolean }[]; responses: Record<string, { description?: string; content?: Record<string, { schema?: object }> }> }
interface Document { openapi: string; info: { title: string; version: string }; paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, object> } }

const all = [
  'DELETE /v1/sessions/current', 'GET /v1/orders', 'GET /v1/orders/{id}', 'GET /v1/orders/{id}/receipt', 'GET /v1/products', 'GET /v1/products/{id}', 'GET /v1/products/{id}/recommendations',
  'POST /v1/orders', 'POST /v1/sessions', 'POST /v1/sessions/refresh', 'POST /v1/users', 'PUT /v1/products/{id}/price',
]

function* valuesOf(key: string, node: unknown): Generator<unknown> {
  if (node === null || typeof node !== 'object') return
  for (const [name, value] of Object.entries(node)) {
    if (name === key) yield value
    yield* valuesOf(key, value)
  }
}

test('the document is whole: every route is there, every name is one of its own, every reference leads somewhere', async () => {
  await using shop = await testApp(app)
  const answer = await shop.engine.server.inject('/openapi.json')
  const document = answer.json<Document>()
  assert.match(document.openapi, /^3\.1\.\d+$/)
  assert.deepEqual([document.info.title, typeof document.info.version], ['shop', 'string'])
  const operations = Object.entries(document.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })))
  assert.deepEqual(operations.map(({ name }) => name).toSorted(), all)
  assert.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, all.length)
  for (const { name, path, operation } of operations) {
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
    assert.deepEqual(inPath.map((parameter) => `{${parameter.name}}`), path.match(/\{\w+\}/g) ?? [], name)
    assert.ok(inPath.every(({ required }) => required))
    for (const [status, response] of Object.entries(operation.responses)) {
      assert.match(status, /^([2-5]\d\d|default)$/)
      assert.ok(response.description, `${status} of ${name}`)
    }
  }
  for (const reference of valuesOf('$ref', document)) {
    assert.match(String(reference), /^#\//)
    assert.equal(typeof String(reference).slice(2).split('/').reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document), 'object', String(reference))
  }
  assert.doesNotMatch(answer.body, /customerId|passwordHash|\bjti\b/, 'nothing of what only the platform fills or keeps')
})

test('what the shop answers is what the document says', async () => {
  await using shop = await testApp(app)
  shop.replace(charge, () => ({ outcome: 'paid' as const }))
  shop.replace(sendMail, () => null)
  await shop.call(importProducts, { products: Array.from({ length: 25 }, (_, index) => ({ sku: `4000${index}`, name: `Lamp ${index}`, price: index, stock: 100 })) })
  const [id = '', other = ''] = await shop.call(productIds, { limit: 2 })
  shop.replace(alike, () => ({ ids: [other] }))
  const { server } = shop.engine
  const document = (await server.inject('/openapi.json')).json<Document>()
  const account = { email: 'ann@example.com', password: 'correct horse', name: 'Ann' }
  const problem = Compiler.Compile({ ...document.components.schemas['Problem'] })
  const covered = new Set<string>()
  /** Asks, and holds the answer to what the document has for its route and status. */
  const ask = async <Answer>(route: string, url: string, options: { payload?: object; as?: string; key?: string } = {}) => {
    const [method = '', path = ''] = route.split(' ')
    const headers = { ...(options.as ? { authorization: `Bearer ${options.as}` } : {}), ...(options.key ? { 'idempotency-key': options.key } : {}) }
    const answer = await server.inject({ method: method as 'GET', url, headers, ...(options.payload ? { payload: options.payload } : {}) })
    const declared = document.paths[path]?.[method.toLowerCase()]?.responses[answer.statusCode]
    assert.ok(declared, `${route} ${answer.statusCode} ${answer.body}`)
    if (answer.statusCode < 300) covered.add(route)
    if (answer.statusCode >= 400) assert.ok(problem.Check(answer.json()), answer.body)
    else if (declared.content?.['application/json']?.schema) assert.deepEqual(Compiler.Compile(declared.content['application/json'].schema).Errors(answer.json())[1], [], `${route} ${answer.body}`)
    else assert.ok(declared.content?.['*/*'] !== undefined || answer.body === '', route)
    return answer.statusCode === 204 || declared.content?.['*/*'] ? undefined as Answer : answer.json<Answer>()
  }
  const user = await ask<{ id: string }>('POST /v1/users', '/v1/users', { payload: account })
  await ask('POST /v1/users', '/v1/users', { payload: account })
  await ask('POST /v1/users', '/v1/users', { payload: {} })
  const session = await ask<{ accessToken: string; refreshToken: string }>('POST /v1/sessions', '/v1/sessions', { payload: { email: account.email, password: account.password } })
  await ask('POST /v1/sessions', '/v1/sessions', { payload: { email: account.email, password: 'wrong' } })
  const { accessToken } = await ask<{ accessToken: string }>('POST /v1/sessions/refresh', '/v1/sessions/refresh', { payload: { refreshToken: session.refreshToken } })
  const admin = (await shop.call(tokens.issue, { id: user.id, role: 'admin' })).accessToken
  const list = await ask<{ nextCursor: string }>('GET /v1/products', '/v1/products')
  for (const query of ['?limit=100', '?limit=1', `?cursor=${list.nextCursor}`, '?q=lamp+1', '?q=nothing+like+it', '?limit=0', '?cursor=x']) await ask('GET /v1/products', `/v1/products${query}`)
  for (const one of [id, 'x', id.replace(/.$/, 'f')]) {
    await ask('GET /v1/products/{id}', `/v1/products/${one}`)
    await ask('GET /v1/products/{id}/recommendations', `/v1/products/${one}/recommendations`)
    await ask('PUT /v1/products/{id}/price', `/v1/products/${one}/price`, { payload: { price: 5 }, as: admin })
  }
  shop.down(alike)
  await ask('GET /v1/products/{id}/recommendations', `/v1/products/${id}/recommendations`)
  await ask('PUT /v1/products/{id}/price', `/v1/products/${id}/price`, { payload: { price: 5 }, as: accessToken })
  const order = await ask<{ id: string }>('POST /v1/orders', '/v1/orders', { payload: { items: [{ productId: id, quantity: 2 }] }, as: accessToken, key: 'k' })
  for (const [payload, key] of [[{ items: [{ productId: id, quantity: 3 }] }, 'k'], [{ items: [{ productId: id, quantity: 1_000 }] }, 'l'], [{ items: [] }, 'm'], [{ items: [] }, undefined]] as const) await ask('POST /v1/orders', '/v1/orders', { payload, as: accessToken, ...(key ? { key } : {}) })
  await ask('GET /v1/orders', '/v1/orders', { as: accessToken })
  await ask('GET /v1/orders/{id}', `/v1/orders/${order.id}`, { as: accessToken })
  await ask('GET /v1/orders/{id}', `/v1/orders/${id}`, { as: accessToken })
  await ask('GET /v1/orders/{id}/receipt', `/v1/orders/${order.id}/receipt`, { as: accessToken })
  assert.ok(await shop.call(contact, { userId: user.id }))
  await shop.settle()
  await ask('GET /v1/orders/{id}/receipt', `/v1/orders/${order.id}/receipt`, { as: accessToken })
  await ask('DELETE /v1/sessions/current', '/v1/sessions/current', { as: accessToken })
  await ask('GET /v1/orders', '/v1/orders', { as: accessToken })
  assert.deepEqual([...covered].toSorted(), all, 'each route has answered with success')
})
