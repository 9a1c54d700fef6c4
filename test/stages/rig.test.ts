/** The rig: a whole stage of the shop on this machine, from real engines. */
import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { signalProcess } from '../../src/base/process.ts'
import { processesOf } from '../process/processes.ts'
import { command, dataDirectory, finished, freePorts, until } from '../process/shop.ts'
import { lacks } from '../support/engines.ts'
import { startStage } from './stage.ts'

const lacking = await lacks('pgbouncer')

async function jsonOf(url: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) })
  return { status: answer.status, body: await answer.json() as Record<string, unknown> }
}

async function said(directory: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await finished(await command(directory, args))
  assert.equal(code, 0, stderr)
  return stdout
}

test('stage 4 comes up whole; a second up is none; what is killed comes back; what the shop has stays; nothing outlives a killed rig', { skip: lacking, timeout: 110_000 }, async (context: TestContext) => {
  const directory = await dataDirectory(context)
  const stage = await startStage(directory, 4)
  const rows = await stage.ps()
  assert.deepEqual(rows.map(({ name, role, state }) => `${name} ${role} ${state}`), ['primary primary ready', 'replica-1 replica ready', 'replica-2 replica ready', 'pooler pooler ready', 'application application ready'])
  assert.equal(new Set(rows.map(({ pid }) => pid)).size, 5)
  const products = await jsonOf(`${stage.urls.web}/v1/products?limit=1`)
  assert.equal(products.status, 200)

  for (let limit = 2; limit <= 10; limit++) await jsonOf(`${stage.urls.web}/v1/products?limit=${limit}`)
  const top = JSON.parse(await said(directory, ['db', 'top', '--json', '--limit', '100'])) as { name: string; calls: number }[]
  assert.equal(top.filter(({ name }) => name === 'catalogue.listings').reduce((sum, { calls }) => sum + calls, 0), 10, 'each server counts its own, and all count')
  assert.match(await said(directory, ['runs']), /nothing is under way/)
  assert.match(await said(directory, ['migrate']), /nothing to apply/)
  assert.match(await (await fetch(`${stage.urls.ops}/metrics`)).text(), /^db_client_connection_count\{[^}]*pool="[^"]*2[^"]*"[^}]*\} \d/m, 'a replica has a pool of its own')

  const again = await finished(await command(directory, ['up', '--stage', '4'], { ports: stage.ports }))
  assert.deepEqual([again.code, /stage 4 is up already/.test(again.stdout)], [0, true])
  const other = await finished(await command(directory, ['up', '--stage', '2'], { ports: stage.ports }))
  assert.deepEqual([other.code, other.stderr.includes('Stage 4 is up')], [1, true])
  const elsewhere = await finished(await command(directory, ['up', '--stage', '4']))
  assert.equal(elsewhere.code, 1)
  assert.match(elsewhere.stderr, new RegExp(`Stage 4 is up at port ${stage.ports.web} \\(pid ${stage.pid}\\), and this asks for port \\d+: leave PORT out`))
  const alone = await finished(await command(directory, ['start'], { ports: await freePorts() }))
  assert.match(alone.stderr, /Another Tenfold process/)

  const follows = await command(directory, ['logs', 'pooler'])
  for (const { name, pid } of rows) {
    signalProcess(pid as number, 'SIGKILL')
    await until(`${name} is back`, async () => (await stage.ps()).find((one) => one.name === name)?.restarts === 1 && (await stage.ps()).every(({ state }) => state === 'ready'))
  }
  await until('who follows the log reads it', () => /pooler ended by itself/.test(follows.stdout()))
  process.kill(follows.pid, 'SIGINT')
  assert.deepEqual(await follows.ended, { code: 0, signal: null })
  const logs = await finished(await command(directory, ['logs', 'pooler', '--no-follow']))
  assert.match(logs.stdout, /pooler ended by itself/)
  await until('the shop answers again', async () => (await jsonOf(`${stage.urls.ops}/readyz`).catch(() => undefined))?.status === 200)

  process.kill(stage.pid, 'SIGKILL')
  await until('what the killed rig ran is gone', async () => (await processesOf(directory)).length === 0)
  assert.deepEqual(await finished(await command(directory, ['ps', '--json'])).then(({ code, stdout }) => [code, stdout.trim()]), [1, '[]'])

  const second = await startStage(directory, 4, stage.ports)
  assert.deepEqual((await second.ps()).map(({ address }) => address), rows.map(({ address }) => address), 'ports are remembered')
  assert.deepEqual((await jsonOf(`${second.urls.web}/v1/products?limit=1`)).body['data'], products.body['data'])
  const untilDown = await command(directory, ['logs', 'primary', '--follow'])
  const down = await finished(await command(directory, ['down']))
  assert.deepEqual([(await finished(untilDown)).code, (await finished(await command(directory, ['logs', 'primary']))).code], [0, 0], 'where nothing is up, nothing is waited for')
  assert.match((await finished(await command(directory, ['logs', 'nosuch']))).stderr, /There is no log of "nosuch": use application, pooler, primary, replica-1, replica-2\./)
  assert.deepEqual([down.code, down.stdout], [0, 'down\n'])
  assert.equal((await second.ended).code, 0)
  assert.deepEqual(await processesOf(directory), [])

  const slots = () => readdir(join(directory, 'postgres/cluster/pg_replslot'))
  assert.deepEqual((await slots()).toSorted(), ['replica_1', 'replica_2'])
  const single = await command(directory, ['start'])
  await until('stage 1 is ready', () => /^ready /m.test(single.stdout()))
  assert.deepEqual(await slots(), [], 'stage 1 keeps no log for replicas')
})

test('a shop that grows finds its rows: stage 1, then 2, then 1 again; Ctrl-C while it comes up leaves nothing', { skip: lacking, timeout: 110_000 }, async (context) => {
  const directory = await dataDirectory(context)
  const single = await command(directory, ['start'])
  await until('stage 1 is ready', () => /^ready /m.test(single.stdout()))
  const before = await jsonOf(`${single.urls.web}/v1/products?limit=5`)
  process.kill(single.pid, 'SIGTERM')
  assert.equal((await single.ended).code, 0)

  const early = await command(directory, ['up', '--stage', '2'])
  await until('its application starts', () => /application: starting/.test(early.stderr()))
  process.kill(early.pid, 'SIGINT')
  assert.equal((await finished(early)).code, 130)
  assert.deepEqual(await processesOf(directory), [])

  await rm(join(directory, 'secret')) // as of a copy that was restored without it: the application's role still has the password of the other
  const split = await startStage(directory, 2)
  assert.deepEqual((await jsonOf(`${split.urls.web}/v1/products?limit=5`)).body['data'], before.body['data'])
  process.kill(-split.pid, 'SIGINT')
  assert.equal((await split.ended).code, 0)

  const again = await command(directory, ['start'])
  await until('stage 1 is ready again', () => /^ready /m.test(again.stdout()))
  assert.deepEqual((await jsonOf(`${again.urls.web}/v1/products?limit=5`)).body['data'], before.body['data'])
})

test('what cannot come up says so in a sentence', async (context) => {
  const directory = await dataDirectory(context)
  for (const [args, sentence] of [[['up'], /takes --stage and a number/], [['up', '--stage', 'four'], /takes --stage and a number/], [['up', '--stage', '3'], /brings up stages 2 and 4/], [['logs', 'nobody'], /nothing was ever up/], [['logs', '../x'], /nothing was ever up/]] as const) {
    const { code, stderr } = await finished(await command(directory, args))
    assert.deepEqual([code, sentence.test(stderr), /\n {4}at /.test(stderr)], [2, true, false], stderr)
  }
  assert.equal((await finished(await command(directory, ['down']))).stdout, 'nothing was up\n')
  const early = await finished(await command(directory, ['up', '--stage', '2', '--data', '/nofile']))
  assert.deepEqual([early.code, early.stderr.includes('/nofile'), early.stderr.includes('primary')], [1, true, false], early.stderr)
})
