import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import Fastify from 'fastify'
import { sandboxRoutes } from './mount.ts'
import { startSandbox, type SandboxUrls } from './start.ts'

const directory = mkdtempSync(join(tmpdir(), 'tenfold-sandbox-'))
after(() => rmSync(directory, { recursive: true }))

test('a process of its own: charges, switches and mails through the ops port, and charges survive it', async () => {
  const sandbox = await startSandbox({ directory })
  const ops = Fastify()
  let controlUrl = sandbox.urls.control
  await ops.register(sandboxRoutes(() => controlUrl))
  const put = (path: string, body: object) => ops.inject({ method: 'PUT', url: path, payload: body })
  await fetch(`${sandbox.urls.gateway}/charges`, { method: 'POST', headers: { 'idempotency-key': 'k' }, body: '{"orderId":"o","amount":5}' })
  assert.deepEqual((await put('/sandbox/gateway', { fault: 'down' })).json(), { fault: 'down' })
  assert.deepEqual((await put('/sandbox/recommender', { fault: 'error' })).json(), { fault: 'error' })
  assert.deepEqual(await (await fetch(`${sandbox.urls.control}/faults`)).json(), { gateway: 'down', recommender: 'error' })
  await assert.rejects(fetch(`${sandbox.urls.gateway}/charges`))
  assert.deepEqual((await ops.inject('/sandbox/gateway')).json(), { charges: [{ orderId: 'o', amount: 5, times: 1 }] })
  assert.deepEqual((await ops.inject('/mails')).json(), [])
  const bad = await put('/sandbox/recommender', { fault: 'declined' })
  assert.equal(bad.statusCode, 422)
  assert.match(String(bad.headers['content-type']), /^application\/problem\+json/)
  assert.match(bad.json<{ detail: string }>().detail, /none, slow, error, down/)
  await sandbox.stop()
  await sandbox.stop()
  const gone = await ops.inject('/mails')
  assert.equal(gone.statusCode, 503)
  assert.equal(gone.json<{ status: number }>().status, 503)

  const again = await startSandbox({ directory })
  controlUrl = again.urls.control
  assert.deepEqual((await ops.inject('/sandbox/gateway')).json(), { charges: [{ orderId: 'o', amount: 5, times: 1 }] })
  await again.stop()
  await ops.close()
})

test('kill -9 of the parent ends it; a Ctrl-C does not', { timeout: 60_000 }, async (t) => {
  const program = `import { startSandbox } from ${JSON.stringify(new URL('./start.ts', import.meta.url).href)}
    const sandbox = await startSandbox({ directory: ${JSON.stringify(directory)} })
    process.on('SIGINT', () => console.log('interrupted'))
    console.log(JSON.stringify({ ...sandbox.urls, pid: sandbox.pid }))`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]()
  const { pid, ...urls } = JSON.parse((await lines.next()).value as string) as SandboxUrls & { pid: number }
  const link = await connect(urls.control)
  t.after(() => {
    parent.kill('SIGKILL')
    if (!link.closed) process.kill(pid, 'SIGKILL') // the test has failed, and must not leave it behind
  })
  // As a terminal does it: to the whole process group of the parent.
  process.kill(-(parent.pid as number), 'SIGINT')
  assert.equal((await lines.next()).value, 'interrupted')
  assert.equal((await fetch(`${urls.control}/faults`)).status, 200)
  parent.kill('SIGKILL')
  await once(link, 'close', { signal: t.signal })
  // What a process had open is closed piece by piece: its port may take one connection more.
  const answers = () => connect(urls.control).then((open) => Boolean(open.destroy()), (error: NodeJS.ErrnoException) => { assert.equal(error.code, 'ECONNREFUSED'); return false })
  while (await answers()) t.signal.throwIfAborted()
})

test('what hinders the start is told in a sentence', async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const { port } = blocker.address() as AddressInfo
  await assert.rejects(startSandbox({ directory, ports: { smtp: port } }), { message: `The sandbox cannot listen on port ${port} (EADDRINUSE): free it, or choose another.` })
  await assert.rejects(startSandbox({ directory, readyWithinMs: 1 }), /was not ready within 1 ms/)
  await assert.rejects(startSandbox({ directory: '/dev/null/no' }), /ENOTDIR/)
  blocker.close()
})

async function connect(url: string): Promise<Socket> {
  const socket = createConnection(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}
