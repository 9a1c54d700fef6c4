import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../src/base/process.ts'
import { ask, products } from './client.ts'
import { processesOf } from './processes.ts'
import { command, dataDirectory, finished, freePorts, killShop, type Shop, type ShopOptions, startShop, until } from './shop.ts'

/** One command line to its end. Nothing that it says is a stack trace. */
async function outcome(directory: string, args: readonly string[], options: ShopOptions = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await finished(await command(directory, args, options))
  assert.doesNotMatch(stdout + stderr, /^\s+at .*[:/]|node:internal|Error:/m)
  return { code, stdout, stderr }
}

/** A start that does not come about: it says why in one sentence, and nothing else. */
async function refusal(directory: string, options: ShopOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await outcome(directory, ['start'], options)
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^tenfold: [^\n]+\.\n$/)
  return stderr.slice('tenfold: '.length, -1)
}

/** The server and the sandbox; Postgres's own processes come and go. */
const servers = async (directory: string) => (await processesOf(directory)).filter(({ line }) => /\/postgres -D |\/sandbox\//.test(line) && !line.startsWith('/bin/sh')).map(({ pid }) => pid)

const isWell = async (shop: Shop) => assert.deepEqual([(await products(shop, 1)).length, (await ask(`${shop.urls.ops}/readyz`)).status], [1, 200])

test('a second start, a busy port, a bad port: one sentence each, and what runs is not disturbed', async (context) => {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  const before = await servers(directory)
  const lock = await readFile(join(directory, 'lock'), 'utf8')
  assert.equal(await refusal(directory), `Another Tenfold process (pid ${shop.pid}) uses the data directory ${directory}: stop it, or set TENFOLD_DATA to another directory.`)
  assert.equal(await refusal(directory, { ports: shop.ports }), `Port ${shop.ports.web} is in use: stop what uses it, or set PORT to another.`)
  const migrated = await outcome(directory, ['migrate'])
  assert.deepEqual([migrated.code, migrated.stdout], [1, ''])
  assert.match(migrated.stderr, /^tenfold: Another Tenfold process \(pid \d+\) uses the data directory/)
  for (const [name, port] of [['PORT', shop.ports.web], ['OPS_PORT', shop.ports.ops]] as const) {
    assert.equal(await refusal(await dataDirectory(context), { environment: { [name]: String(port) } }), `Port ${port} is in use: stop what uses it, or set ${name} to another.`)
  }
  const bad = await outcome(await dataDirectory(context), ['start'], { environment: { PORT: 'http' } })
  assert.deepEqual([bad.code === 0, bad.stdout], [false, ''])
  assert.match(bad.stderr, /^tenfold: [^]*\b(PORT|ports\.web)\b/)
  assert.deepEqual([await servers(directory), await readFile(join(directory, 'lock'), 'utf8')], [before, lock])
  await isWell(shop)
})

test('a port that somebody takes while the shop starts is named in one sentence, and nothing is left running', async (context) => {
  const directory = await dataDirectory(context)
  const ports = await freePorts()
  const starting = await command(directory, ['start'], { ports })
  const taker = createServer()
  context.after(() => taker.close())
  await until('it has looked at its ports', () => starting.stderr().includes('Creating a database'))
  taker.listen(ports.web, '127.0.0.1')
  await once(taker, 'listening')
  const { code, stderr } = await finished(starting)
  assert.deepEqual([code, await processesOf(directory)], [1, []])
  assert.match(stderr, new RegExp(`^tenfold: Port ${ports.web} is in use: [^\\n]+\\.\\n$`, 'm'))
})

test('the data of another Postgres version is refused and left as it is; the lock of a killed process is not in the way', async (context) => {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  await killShop(shop, directory)
  const lock = await readFile(join(directory, 'lock'), 'utf8')
  assert.equal(JSON.parse(lock).pid, shop.pid, 'it could not take its lock along')

  const other = await dataDirectory(context)
  assert.equal((await runCommand('cp', ['-a', directory, other])).code, 0)
  const version = join(other, 'postgres', 'cluster', 'PG_VERSION')
  await writeFile(version, '16\n')
  assert.match(await refusal(other), /was made by Postgres 16, and this is Postgres 18: run tenfold topology upgrade, or set TENFOLD_DATA to another directory\.$/)
  assert.equal(await readFile(version, 'utf8'), '16\n')

  const again = await startShop(directory)
  await isWell(again)
  process.kill(again.pid, 'SIGTERM')
  assert.equal((await finished(again)).code, 0)
  const newer = join(directory, 'version')
  await writeFile(newer, '2\n')
  assert.match(await refusal(directory), /written by a newer Tenfold/)
})
