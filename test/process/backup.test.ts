/** Backups as an operator meets them: the shop with a store, the command line beside it, a machine that is lost. */
import assert from 'node:assert/strict'
import { access, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ask, customer, type Order, products } from './client.ts'
import { processesOf } from './processes.ts'
import { sql } from './sql.ts'
import { command, dataDirectory, finished, interrupt, killShop, type Shop, startShop, until } from './shop.ts'

interface Place { readonly directory: string; readonly store: string; readonly environment: Readonly<Record<string, string>> }

async function place(context: TestContext): Promise<Place> {
  const directory = await dataDirectory(context)
  const store = join(dirname(directory), 'store')
  return { directory, store, environment: { SHOP_BACKUP: store, SHOP_BACKUP_LOSE_AT_MOST: '1s' } }
}

/** A command's answer, and that it went well. */
async function said(directory: string, args: readonly string[], environment: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await finished(await command(directory, args, { environment }), 60_000)
  assert.equal(code, 0, stderr)
  return stdout
}

async function refused(directory: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await finished(await command(directory, args, { environment }))
  assert.deepEqual([code === 0, stdout], [false, ''], stderr)
  assert.doesNotMatch(stderr, /^\s+at .*[:/]|node:internal/m)
  return stderr.trim()
}

const checks = async (shop: Shop) => (await ask<{ checks: Record<string, { ok: boolean; detail?: string }> }>(`${shop.urls.ops}/readyz`)).body.checks
const backedUp = (shop: Shop) => until('there is a backup, and the log goes after it', async () => { const { archive, backup } = await checks(shop); return archive?.ok === true && backup?.ok === true })

test('a machine that is lost: the shop comes back elsewhere at the moment before, with its orders, its customers and its files', async (context) => {
  const { directory, store, environment } = await place(context)
  const shop = await startShop(directory, { environment })
  await backedUp(shop)
  const { token } = await customer(shop, 'ann@example.com')
  const product = (await products(shop, 100)).find(({ stock }) => stock > 50)
  const order = (key: string, quantity = 1) => ask<Order>(`${shop.urls.web}/v1/orders`, { method: 'POST', token, key, body: { items: [{ productId: product?.id, quantity }] } })
  const good = await order('good', 3)
  assert.equal(good.body.status, 'paid')
  await until('its receipt is in the store', async () => (await readdir(join(store, 'files')).catch(() => [])).length > 0)
  const [{ moment } = { moment: '' }] = await sql<{ moment: string }>(directory, `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as moment`)
  await order('regretted')
  await sql(directory, 'delete from orders.order_lines; delete from orders.orders')

  const drill = JSON.parse(await said(directory, ['drill', 'restore', '--json'], environment)) as { same: boolean; rtoSeconds: number; rpoSeconds: number; tables: number; rows: number }
  assert.ok(drill.same && drill.tables > 15 && drill.rows > 2_000 && drill.rtoSeconds > 0 && drill.rpoSeconds < 10, JSON.stringify(drill))
  assert.match(await said(directory, ['backup', 'verify'], environment), /nothing is wrong\n$/)
  await killShop(shop, directory)
  await rm(directory, { recursive: true })

  const restored = join(dirname(directory), 'restored')
  const report = JSON.parse(await said(directory, ['restore', '--to', moment, '--from', store, '--directory', restored, '--config', '/nowhere', '--json'], {})) as { lastCommitAt: string; files: number }
  assert.ok(report.lastCommitAt <= moment && report.files > 0, JSON.stringify(report))
  assert.match(await refused(directory, ['restore', '--to', 'latest', '--from', store, '--directory', restored]), /^tenfold: .*restored holds a database, which a restore never touches: use a directory that is empty, or not there yet\.$/)
  const again = await startShop(restored, { environment })
  context.after(() => killShop(again, restored).catch(() => {}))
  const signedIn = await ask<{ accessToken: string }>(`${again.urls.web}/v1/sessions`, { method: 'POST', body: { email: 'ann@example.com', password: 'correct horse battery' } })
  const orders = await sql<{ id: string; status: string }>(restored, 'select id, status from orders.orders')
  assert.deepEqual(orders, [{ id: good.body.id, status: 'paid' }], `signed in: ${signedIn.status}`)
  await until('it is backed up on its own timeline', async () => (await readdir(join(store, 'wal'), { recursive: true })).some((name) => name.includes('00000002.history')))
  process.kill(again.pid, 'SIGTERM')
  assert.equal((await finished(again)).code, 0)
})

test('a store that fails: the shop goes on, says how far behind its log is, stops when it is told, and makes up for it', async (context) => {
  const { directory, store, environment } = await place(context)
  const shop = await startShop(directory, { environment })
  await backedUp(shop)
  await rm(store, { recursive: true })
  await writeFile(store, 'in the way')
  await until('it is told', async () => (await checks(shop))['archive']?.ok === false)
  assert.match((await checks(shop))['archive']?.detail ?? '', /^\d+ files of the log wait for the store, the oldest for \d+ s: The store of backups .* has a file in its way: move that away, or choose another folder\.$/)
  assert.match(await (await fetch(`${shop.urls.ops}/metrics`)).text(), /^tenfold_archive_failing 1$/m)
  assert.equal((await ask(`${shop.urls.ops}/readyz`)).status, 200, 'who asks for pages is served')
  assert.match(await refused(directory, ['backup'], environment), /^tenfold: The store of backups .* has a file in its way/)
  process.kill(shop.pid, 'SIGTERM')
  const left = await finished(shop)
  assert.deepEqual([left.code, await processesOf(directory)], [0, []], left.stderr)
  await rm(store)
  const again = await startShop(directory, { environment })
  await backedUp(again)
  assert.match(await said(directory, ['backup', 'list'], environment), /Postgres 18/)
})

test('Ctrl-C ends a drill and a restore, and leaves nothing; what is asked for wrongly is refused in a sentence', async (context) => {
  const { directory, store, environment } = await place(context)
  assert.match(await refused(directory, ['backup'], environment), /^tenfold: There is no database in /)
  const shop = await startShop(directory, { environment })
  await backedUp(shop)
  const drill = await command(directory, ['drill', 'restore'], { environment })
  await until('it is at work', async () => await access(join(directory, 'tenfold-drill')).then(() => true, () => false))
  interrupt(drill)
  assert.equal((await finished(drill)).code, 130)
  assert.ok(!(await readdir(directory)).includes('tenfold-drill'))

  const other = join(dirname(directory), 'other')
  await mkdir(other)
  await writeFile(join(other, 'letters'), '')
  const wrong: [string[], RegExp][] = [
    [['restore', '--directory', other], /lacks --to/],
    [['restore', '--to', 'latest'], /lacks --directory/],
    [['restore', '--to', 'latest', '--directory', other], /holds other things \(letters\), which a restore never touches/],
    [['restore', '--to', 'latest', '--directory', `${other}2`, '--backup', 'nope'], /There is no backup "nope" in .*: tenfold backup list shows what there is/],
    [['restore', '--to', 'latest', '--directory', `${other}2`, '--timeline', 'x'], /--timeline is "x"/],
    [['restore', '--to', 'latest', '--directory', `${other}2`, '--timeline', '7'], /No backup in .* leads to timeline 7/],
    [['restore', '--to', 'latest', '--directory', directory], /holds a database, which a restore never touches/],
    [['backup', '--keep', '0'], /--keep is "0"/],
    [['backup', 'everything'], /There is no "everything" here/],
    [['backup', 'list', '--to', 's3://bucket/x'], /AWS_ACCESS_KEY_ID, which is not set/],
    [['drill', 'fire'], /There is no drill "fire": use restore/],
    [['drill'], /lacks restore/],
  ]
  for (const [args, message] of wrong) assert.match(await refused(directory, args, environment), message, args.join(' '))
  assert.match(await refused(directory, ['backup', 'list']), /The topology names no store of backups: give it backup: \{ to: \.\.\. \}, or say --to/)
  assert.match(await said(directory, ['backup', '--to', join(store, 'second'), '--keep', '1'], {}), /^\d{8}T\d{6}Z-\w{6} is in .*second: [\d.]+ MB, stored as [\d.]+ MB, in [\d.]+ s\n$/)
})
