/** What a cluster's backups are worth, once it has lost its primary, and when its machine is gone. */
import assert from 'node:assert/strict'
import { readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import pg from 'pg'
import { findEngine } from '../../src/ops/rig/binaries.ts'
import type { ComponentStatus } from '../../src/ops/rig/keeper.ts'
import { command, finished, killShop, startShop, until } from '../process/shop.ts'
import { sql } from '../process/sql.ts'

type Environment = Readonly<Record<string, string>>

async function said(directory: string, args: readonly string[], environment: Environment = {}): Promise<string> {
  const { code, stdout, stderr } = await finished(await command(directory, args, { environment }), 90_000)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
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

export async function untilBackedUp(directory: string, rows: readonly ComponentStatus[], environment: Environment): Promise<void> {
  await until('there is a backup', async () => JSON.parse(await said(directory, ['backup', 'list', '--json'], environment)).backups.length === 1)
  await until('each member keeps what is not stored', async () => (await membersWithSlot(directory, rows)).length === 3)
}

/** Beside the running cluster. */
export async function assertDrill(directory: string, environment: Environment): Promise<void> {
  const drill = JSON.parse(await said(directory, ['drill', 'restore', '--json'], environment)) as { same: boolean; tables: number; rpoSeconds: number }
  assert.ok(drill.same && drill.tables > 15 && drill.rpoSeconds < 30, JSON.stringify(drill))
  assert.match(await said(directory, ['backup', 'verify'], environment), /nothing is wrong\n$/)
  const logs = await Promise.all((await readdir(join(directory, 'rig', 'logs'))).map((name) => readFile(join(directory, 'rig', 'logs', name), 'utf8')))
  assert.deepEqual(logs.flatMap((log) => log.split('\n').filter((line) => /Dropped unknown replication slot 'tenfold_log/.test(line))), [])
}

/** The cluster was left in good order, and its machine is lost: every order is there again, in a database of one's own. */
export async function assertRestored(context: TestContext, directory: string, store: string, orders: readonly string[]): Promise<void> {
  const environment = { SHOP_BACKUP: store }
  assert.match((await finished(await command(directory, ['backup'], { environment }))).stderr, /The cluster in .* does not run: tenfold up --ha with its --stage brings it up\./)
  await rm(directory, { recursive: true })
  const restored = join(dirname(directory), 'restored')
  const words = await said(directory, ['restore', '--to', 'latest', '--from', store, '--directory', restored, '--config', '/nowhere'])
  const { major } = await findEngine()
  if (/bring it to Postgres/.test(words)) assert.match(await said(restored, ['topology', 'upgrade']), new RegExp(`is ${major}: \\d+ rows of`))
  else assert.match(words, /run it by TENFOLD_DATA=.* tenfold start/)
  const again = await startShop(restored)
  context.after(() => killShop(again, restored).catch(() => { /* it has ended */ }))
  const found = new Set((await sql<{ id: string }>(restored, 'select id from orders.orders')).map(({ id }) => id))
  assert.deepEqual(orders.filter((id) => !found.has(id)), [], 'every acknowledged order is there')
}
