/** A cluster that is backed up loses its primary, and then its machine: what was acknowledged before and after is there again. */
import assert from 'node:assert/strict'
import { readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { findEngine } from '../../src/ops/rig/binaries.ts'
import type { ComponentStatus } from '../../src/ops/rig/keeper.ts'
import { ask, customer, type Order, products } from '../process/client.ts'
import { processesOf } from '../process/processes.ts'
import { command, dataDirectory, finished, killShop, startShop, until } from '../process/shop.ts'
import { sql } from '../process/sql.ts'
import { lacks } from '../support/engines.ts'
import { killMember, named, type Stage, startStage } from './stage.ts'

async function said(directory: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await finished(await command(directory, args, { environment }), 90_000)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

/** Asks until it is answered. */
async function order(stage: Stage, token: string, productId: string, key: string): Promise<string> {
  let id = ''
  await until(`the order ${key} is known`, async () => {
    const { status, body } = await ask<Order>(`${stage.urls.web}/v1/orders`, { method: 'POST', token, key, body: { items: [{ productId, quantity: 1 }] } })
    if (status === 201) id = body.id
    return status === 201
  })
  return id
}

/** Patroni would drop a slot that it does not know, on its next round. */
async function membersWithSlot(directory: string, rows: readonly ComponentStatus[]): Promise<string[]> {
  const [, password = ''] = /^postgres:\/\/postgres:([^@]+)@/.exec(await readFile(join(directory, 'rig', 'secrets', 'primary'), 'utf8')) ?? []
  const members = await Promise.all(rows.filter(({ role }) => role === 'primary' || role === 'replica').map(async ({ name, address }) => {
    const client = new pg.Client({ connectionString: `postgres://postgres:${password}@${address}/shop` })
    await client.connect()
    try { return (await client.query(`select from pg_replication_slots where slot_name = 'tenfold_log_shop' and restart_lsn is not null`)).rowCount === 1 ? [name] : [] } finally { await client.end() }
  }))
  return members.flat()
}

test('a cluster loses its primary, and then its machine: a drill finds every table the same, and a restore has every acknowledged order', { skip: await lacks('etcd', 'patroni', 'postgresql'), timeout: 170_000 }, async (context: TestContext) => {
  const directory = await dataDirectory(context)
  const store = join(dirname(directory), 'store')
  const environment = { SHOP_BACKUP: store, SHOP_BACKUP_LOSE_AT_MOST: '1s' }
  const stage = await startStage(directory, 4, undefined, { args: ['--ha'], environment })
  const { token } = await customer(stage, 'ann@example.com')
  const product = (await products(stage, 100)).find(({ stock }) => stock > 100)?.id ?? ''
  const orders = (await Promise.all(Array.from({ length: 8 }, (_, index) => order(stage, token, product, `before-${index}`))))
  await until('there is a backup', async () => JSON.parse(await said(directory, ['backup', 'list', '--json'], environment)).backups.length === 1)
  await until('each member keeps what is not stored', async () => (await membersWithSlot(directory, await stage.ps())).length === 3)
  await killMember(directory, named(await stage.ps(), 'primary')[0] ?? '', await stage.ps())
  orders.push(...await Promise.all(Array.from({ length: 8 }, (_, index) => order(stage, token, product, `after-${index}`))))

  const drill = JSON.parse(await said(directory, ['drill', 'restore', '--json'], environment)) as { same: boolean; tables: number; rpoSeconds: number }
  assert.ok(drill.same && drill.tables > 15 && drill.rpoSeconds < 30, JSON.stringify(drill))
  assert.match(await said(directory, ['backup', 'verify'], environment), /nothing is wrong\n$/)
  const logs = await Promise.all((await readdir(join(directory, 'rig', 'logs'))).map((name) => readFile(join(directory, 'rig', 'logs', name), 'utf8')))
  assert.deepEqual(logs.flatMap((log) => log.split('\n').filter((line) => /Dropped unknown replication slot 'tenfold_log/.test(line))), [])
  orders.push(await order(stage, token, product, 'last'))
  process.kill(stage.pid, 'SIGTERM')
  assert.equal((await finished(stage, 60_000)).code, 0, 'and it hands over the end of the log')
  await until('what the rig ran is gone', async () => (await processesOf(directory)).length === 0)
  assert.match((await finished(await command(directory, ['backup'], { environment }))).stderr, /The cluster in .* does not run: tenfold up --ha with its --stage brings it up\./)
  await rm(directory, { recursive: true })

  const restored = join(dirname(directory), 'restored')
  const words = await said(directory, ['restore', '--to', 'latest', '--from', store, '--directory', restored, '--config', '/nowhere'])
  const { major } = await findEngine()
  if (!/bring it to Postgres/.test(words)) assert.match(words, new RegExp(`run it by TENFOLD_DATA=.* tenfold start`))
  else assert.match(await said(restored, ['topology', 'upgrade']), new RegExp(`is ${major}: \\d+ rows of`))
  const again = await startShop(restored)
  context.after(() => killShop(again, restored).catch(() => { /* it has ended */ }))
  const found = new Set((await sql<{ id: string }>(restored, 'select id from orders.orders')).map(({ id }) => id))
  assert.deepEqual(orders.filter((id) => !found.has(id)), [], 'every acknowledged order is there')
})
