/** The shop on a server that its topology names by URL: backed up by whichever of its processes has the slot, and restored elsewhere. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { systemRandom } from '../../src/base/random.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { ask, customer, type Order, products } from './client.ts'
import { command, dataDirectory, finished, freePorts, killShop, type Shop, startShop, until } from './shop.ts'
import { sql } from './sql.ts'

/** Somebody else's: the application's role there is no superuser, and may not replicate yet. */
async function serverElsewhere(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-elsewhere-'))
  const server = await startPostgres({ directory: join(directory, 'server'), durable: false })
  const { host, port, user, password } = server
  const query = async (text: string, database = 'postgres') => {
    const client = new pg.Client({ host, port, user, password, database })
    await client.connect()
    try { return (await client.query<Record<string, unknown>>(text)).rows } finally { await client.end() }
  }
  context.after(async () => { await server.stop(); await rm(directory, { recursive: true, force: true }) })
  await query(`create role deploy login createrole password 'deploy'`)
  await query('create database prod owner deploy')
  return { url: `postgres://deploy:deploy@${host}:${port}/prod`, query, stop: () => server.stop() }
}

const checks = async (shop: Shop) => (await ask<{ checks: Record<string, { ok: boolean; detail?: string }> }>(`${shop.urls.ops}/readyz`)).body.checks

async function order(shop: Shop, token: string, key: string): Promise<string> {
  const product = (await products(shop, 100)).find(({ stock }) => stock > 20)
  const { status, body } = await ask<Order>(`${shop.urls.web}/v1/orders`, { method: 'POST', token, key, body: { items: [{ productId: product?.id, quantity: 1 }] } })
  assert.equal(status, 201, JSON.stringify(body))
  return body.id
}

test('a database on a server: what it lacks is told; of two processes one stores the log, and the other goes on when it is killed; a drill and a restore elsewhere have all', { timeout: 110_000 }, async (context) => {
  const directory = await dataDirectory(context)
  const parent = dirname(directory)
  const [store, key, url] = [join(parent, 'store'), join(parent, 'key'), join(parent, 'url')]
  const server = await serverElsewhere(context)
  await writeFile(url, server.url)
  await writeFile(key, systemRandom.bytes(32).toString('hex'))
  const { dependencies } = JSON.parse((await finished(await command(directory, ['topology', '--json']))).stdout).topology as { dependencies: object }
  const started = async (name: string) => {
    const [file, ports] = [join(parent, `${name}.json`), await freePorts()]
    await writeFile(file, JSON.stringify({ stage: 'split', secret: `file:${key}`, directory: join(parent, name), ports, rateLimit: 'off', dependencies, backup: { to: store, loseAtMost: '1s' }, data: { engine: 'postgres', primary: `file:${url}`, pool: { max: 5, waitMs: 2_000 } } }))
    const shop = await startShop(directory, { ports, environment: { TENFOLD_DATA: join(parent, name) }, topology: file })
    context.after(() => { try { process.kill(shop.pid, 'SIGKILL') } catch { /* it has ended */ } })
    return { ...shop, file }
  }
  const one = await started('one')
  await until('it is told', async () => /The user of the backup may not replicate/.test((await checks(one))['archive']?.detail ?? ''))
  await server.query('alter role deploy replication')
  await until('it is told', async () => /grant execute on function pg_switch_wal\(\)/.test((await checks(one))['archive']?.detail ?? ''))
  await server.query('grant execute on function pg_switch_wal() to deploy', 'prod')
  await server.query('grant pg_monitor to deploy')
  const two = await started('two')
  let last: unknown
  await until('both know of a backup, and one stores the log', async () => {
    const [ours, theirs] = [await checks(one), await checks(two)]
    last = [ours, theirs].map(({ archive, backup }) => ({ archive, backup }))
    return [ours, theirs].every(({ archive, backup }) => archive?.ok && backup?.ok) && theirs['archive']?.detail === 'another process stores the log'
  }).catch((error: Error) => { throw new Error(`${error.message} ${JSON.stringify(last)} ${one.stderr()}`) })
  const { token } = await customer(one, 'ann@example.com')
  const orders = [await order(one, token, 'first'), await order(one, token, 'second')]
  process.kill(one.pid, 'SIGKILL')
  await one.ended
  orders.push(await order(two, token, 'third'))
  await until('the other stores the log', async () => /files of the log wait/.test((await checks(two))['archive']?.detail ?? '') && (await checks(two))['archive']?.ok === true)

  const drill = await finished(await command(join(parent, 'two'), ['drill', 'restore', '--json'], { topology: two.file }), 60_000)
  assert.equal(drill.code, 0, drill.stderr + drill.stdout)
  assert.ok((JSON.parse(drill.stdout) as { same: boolean }).same)
  assert.match((await finished(await command(join(parent, 'two'), ['backup'], { topology: two.file }))).stdout, /is in .*store: [\d.]+ MB/)
  orders.push(await order(two, token, 'fourth'))
  process.kill(two.pid, 'SIGTERM')
  assert.equal((await finished(two)).code, 0, 'and it hands over the end of the log')
  await server.stop()

  const made = await finished(await command(directory, ['restore', '--to', 'latest', '--from', store, '--directory', directory]))
  assert.equal(made.code, 0, made.stderr)
  const again = await startShop(directory)
  context.after(() => killShop(again, directory).catch(() => { /* it has ended */ }))
  assert.deepEqual((await sql<{ id: string }>(directory, 'select id from orders.orders')).map(({ id }) => id).toSorted(), orders.toSorted())
})
