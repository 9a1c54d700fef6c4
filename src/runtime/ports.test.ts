import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { assertPortFree } from './ports.ts'

test('a port in use is named with its setting, and a free one is left free', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const message = `Port ${port} is in use: stop what uses it, or set PORT to another.`
  await assert.rejects(assertPortFree('127.0.0.1', port, 'PORT'), { code: 'start', message })
  await assert.rejects(assertPortFree('0.0.0.0', port, 'PORT'), { code: 'start', message })
  server.close()
  await once(server, 'close')
  for (let time = 0; time < 2; time += 1) await assertPortFree('127.0.0.1', port, 'PORT')
})

test('what is no port, or no address of this machine, is said to be so', async () => {
  await assert.rejects(assertPortFree('127.0.0.1', 70_000, 'PORT'), { code: 'start', message: /^70000 is no port: set PORT/ })
  await assert.rejects(assertPortFree('192.0.2.1', 3_000, 'PORT'), { code: 'start', message: /^This machine has no address 192\.0\.2\.1/ })
})
