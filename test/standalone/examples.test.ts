/** The two existing services, before and after they took up three tiers: one body, the same answers. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { buildService as expressAfter } from '../../examples/express/after.ts'
import { buildService as expressBefore } from '../../examples/express/before.ts'
import { buildService as fastifyAfter } from '../../examples/fastify/after.ts'
import { buildService as fastifyBefore, type ServiceOptions } from '../../examples/fastify/before.ts'
import { waitFor } from '../../src/base/process.ts'
import { emptyDatabase } from '../support/empty-database.ts'

process.env['NODE_ENV'] = 'test' // Express then keeps errors that are answered to itself

type Build = (options: ServiceOptions) => Promise<{ url: string; close(): Promise<unknown> }>
const onFastify = (build: typeof fastifyBefore): Build => async (options) => {
  const server = await build(options)
  return { url: await server.listen({ port: 0, host: '127.0.0.1' }), close: () => server.close() }
}
const onExpress = (build: typeof expressBefore): Build => async (options) => {
  const { app, close } = await build(options)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: async () => { server.closeAllConnections(); server.close(); await close() } }
}
const services: [name: string, build: Build, isAfter: boolean][] = [
  ['fastify, before', onFastify(fastifyBefore), false], ['fastify, after', onFastify(fastifyAfter), true], ['express, before', onExpress(expressBefore), false], ['express, after', onExpress(expressAfter), true],
]

for (const [name, build, isAfter] of services) {
  test(`an existing service: ${name}`, async (context) => {
    const schema = await readFile(new URL('../../examples/fastify/schema.sql', import.meta.url), 'utf8')
    const { url: databaseUrl, sql, closing } = await emptyDatabase(context, schema)
    const receipts: unknown[] = []
    let refusals = isAfter ? 1 : 0
    const service = await build({ databaseUrl, sendReceipt: async (order) => { if (refusals-- > 0) throw new Error('the mail server is down'); receipts.push(order) } })
    closing(() => service.close())
    const ask = async (method: string, path: string, body?: object) => {
      const answer = await fetch(service.url + path, { method, ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}) })
      return [answer.status, await answer.json()] as const
    }
    assert.deepEqual(await ask('GET', '/products/7'), [200, { id: 7, name: 'product 7', price: 700 }])
    assert.deepEqual(await ask('GET', '/products/77'), [404, { error: 'no such product' }])
    assert.deepEqual(await ask('PUT', '/products/7/price', { price: 650 }), [200, { id: 7, name: 'product 7', price: 650 }])
    assert.deepEqual(await ask('GET', '/products/7'), [200, { id: 7, name: 'product 7', price: 650 }])
    assert.deepEqual(await ask('POST', '/orders', { customer: 'ann', productId: 7, quantity: 2 }), [201, { id: 1, customer: 'ann' }])
    assert.deepEqual(await ask('GET', '/orders?customer=ann'), [200, [{ id: 1, productId: 7, quantity: 2 }]])
    assert.equal((await ask('POST', '/orders', { customer: 'ann', productId: 77, quantity: 2 }).catch(() => [500] as const))[0], 500)
    // After: the mail server was down for the first try, and nobody noticed.
    assert.ok(await waitFor(() => receipts.length === 1 || undefined, { timeoutMs: 10_000 }))
    assert.deepEqual(receipts, [{ id: 1, customer: 'ann' }])
    await sql('update products set price = 1 where id = 7')
    assert.equal(((await ask('GET', '/products/7'))[1] as { price: number }).price, isAfter ? 650 : 1, 'past the service: only what is remembered does not know')
    if (isAfter) assert.ok(await waitFor(async () => (await sql('select from tenfold.runs')).length === 0 || undefined, { timeoutMs: 5_000 }), 'and no job is left, not even of the order that failed')
  })
}

for (const name of ['fastify', 'express']) {
  test(`npm run example:${name}`, async () => {
    const { TENFOLD_TEST_SERVER: _, ...environment } = process.env // as a newcomer has it
    const child = spawn(process.execPath, ['--conditions=tenfold:src', `examples/${name}/main.ts`], { cwd: new URL('../../', import.meta.url), env: { ...environment, PORT: name === 'fastify' ? '28431' : '28432' }, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { said += text })
    const exited = once(child, 'exit')
    try {
      assert.ok(await waitFor(() => said.includes('ready') || undefined, { timeoutMs: 30_000 }), said)
      const [, url] = /ready at (\S+)/.exec(said) ?? []
      assert.equal(((await (await fetch(`${url}/products/7`)).json()) as { name: string }).name, 'product 7')
    } finally {
      child.kill('SIGTERM')
    }
    assert.deepEqual(await exited, [0, null])
  })
}
