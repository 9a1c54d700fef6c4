/** From stage 1 to a server: `tenfold topology apply`. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { waitFor } from '../../src/base/process.ts'
import { type PostgresServer, startPostgres } from '../../src/ops/rig/postgres.ts'
import { customer, products } from './client.ts'
import { chance } from './seed.ts'
import { type Command, command, dataDirectory, finished, startShop, until } from './shop.ts'
import { openBook } from './shopper.ts'

async function target(context: TestContext): Promise<PostgresServer & { query(text: string): Promise<Record<string, unknown>[]> }> {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-target-'))
  const server = await startPostgres({ directory: join(directory, 'server'), durable: false })
  context.after(async () => { await server.stop(); await rm(directory, { recursive: true, force: true }) })
  const on = (database: string) => async (text: string) => {
    const client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database })
    await client.connect()
    try { return (await client.query(text)).rows as Record<string, unknown>[] } finally { await client.end() }
  }
  await on('postgres')('create database shop')
  return { ...server, query: on('shop') }
}

async function topologyFile(directory: string, { host, port, user, password }: PostgresServer, ports: object, secret?: string): Promise<string> {
  const [file, url, key] = ['topology.json', 'url', 'key'].map((name) => join(directory, '..', name)) as [string, string, string]
  await writeFile(url, `postgres://${user}:${password}@${host}:${port}/shop`)
  await writeFile(key, secret ?? (await readFile(join(directory, 'secret'))).toString('hex'))
  const { dependencies } = JSON.parse((await finished(await command(directory, ['topology', '--json']))).stdout).topology as { dependencies: object }
  await writeFile(file, JSON.stringify({ stage: 'split', secret: `file:${key}`, directory, ports, rateLimit: 'off', dependencies, data: { engine: 'postgres', primary: `file:${url}`, pool: { max: 10, waitMs: 2_000 } } }))
  return file
}

test('the shop moves to a server while it is used: killed on the way, it goes on; no acknowledged order is lost; nobody goes on where it was', { timeout: 110_000 }, async (context) => {
  const random = chance(context)
  const directory = await dataDirectory(context)
  let shop: Command = await startShop(directory)
  const server = await target(context)
  const file = await topologyFile(directory, server, shop.ports)
  const { token } = await customer(shop, 'mover@example.com')
  const stock = await products(shop, 100)
  const book = openBook()
  const enough = new AbortController()
  let orders = 0
  const ordered = (async () => {
    while (!enough.signal.aborted) {
      const wanted = { key: `move-${orders++}`, token, email: 'mover@example.com', items: [{ productId: random.pick(stock).id, quantity: 1 }] }
      while (!enough.signal.aborted && !await book.place(shop, wanted)) await waitFor(() => undefined, { timeoutMs: 20 })
    }
  })()

  const first = await command(directory, ['topology', 'apply', file])
  await until('the copy follows', () => /all is there, verified, and follows: stop the application \(pid \d+\)/.test(first.stderr()), 30_000)
  process.kill(first.pid, 'SIGKILL')
  await first.ended
  const second = await command(directory, ['topology', 'apply', file])
  await until('it goes on', () => /follows: stop/.test(second.stderr()) || /is just ending there/.test(second.stderr()), 30_000)
  process.kill(second.pid, 'SIGINT')
  const { code: broken, stderr } = await finished(second)
  assert.deepEqual([broken, /run it again to go on with it, or with --abandon/.test(stderr)], [130, true], stderr)

  const applied = await finished(await command(directory, ['topology', 'apply', file, '--switch', '--json']))
  assert.equal(applied.code, 0, applied.stderr)
  assert.match(applied.stderr, /follows: the application \(pid \d+\) is asked to leave/)
  assert.equal((await shop.ended).code, 0)
  const { rows, tables, downtimeMs } = JSON.parse(applied.stdout) as { rows: number; tables: number; downtimeMs: number }
  assert.ok(rows > 100 && tables > 10 && downtimeMs > 0)
  context.diagnostic(`${rows} rows of ${tables} tables, ${downtimeMs} ms`)

  assert.match((await finished(await command(directory, ['migrate']))).stderr, /was moved to 127/)
  const here = await finished(await command(directory, ['start']))
  assert.deepEqual([here.code, /was moved to 127\.0\.0\.1:\d+\/shop on .*: start with that topology/.test(here.stderr)], [1, true], here.stderr)
  shop = await command(directory, ['--topology', file, 'start'], { ports: shop.ports })
  await until('it runs on the server', () => /^ready /m.test(shop.stdout()))
  const sinceThen = orders
  await until('orders are taken there', () => orders > sinceThen + 2)
  enough.abort()
  await ordered
  assert.ok(await book.again(shop), 'each acknowledged order is there')
  assert.deepEqual(book.oddities, [])
  const known = [...book.said.values()].filter(({ kind }) => kind === 'order').length
  const [row] = await server.query('select count(*)::int as count from orders.orders')
  assert.ok(known > 10 && [known, known + 1].includes(Number(row?.['count'])), `${known} known, ${row?.['count']} there`)
  await assert.rejects(customer(shop, 'mover@example.com'), /409|taken|already/i, 'whoever had an account has it')
  process.kill(shop.pid, 'SIGTERM')
  assert.equal((await shop.ended).code, 0)
})

test('what cannot be moved says so: a database in use, another secret, a topology without a server', { timeout: 110_000 }, async (context) => {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  process.kill(shop.pid, 'SIGTERM')
  await shop.ended
  const server = await target(context)
  const apply = async (file: string) => { const { code, stderr } = await finished(await command(directory, ['topology', 'apply', file])); return [code, stderr] as const }
  const other = await topologyFile(directory, server, shop.ports, 'another secret of more than 32 bytes')
  assert.match((await apply(other)).join(' '), /^1 .*secret is another than that of/s)
  const file = await topologyFile(directory, server, shop.ports)
  await finished(await command(directory, ['--topology', file, 'migrate']))
  await server.query(`insert into tenfold.runs (bucket, id, kind, name, input, fingerprint, state, started_at) values (0, gen_random_uuid(), 'job', 'x', '{}', 'f', 'done', now())`)
  assert.match((await apply('--abandon')).join(' '), /^0 /)
  assert.match((await apply(file)).join(' '), /^1 .*is in use already: name an empty one/s)
  await writeFile(file, JSON.stringify({ stage: 'single' }))
  assert.match((await apply(file)).join(' '), /^1 .*(has no server|lacks|dependencies)/s)
  assert.match((await apply('nowhere.json')).join(' '), /^2 .*There is no nowhere\.json/s)
})
