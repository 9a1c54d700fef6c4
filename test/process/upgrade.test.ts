/** A major upgrade of the embedded Postgres: `tenfold topology upgrade`. */
import assert from 'node:assert/strict'
import { access, chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { appDefinition } from '../../src/app/index.ts'
import { app } from '../../examples/shop/app.ts'
import { createCluster, keepPassword, openHome } from '../../src/ops/rig/cluster.ts'
import { launch, startPostgres } from '../../src/ops/rig/postgres.ts'
import { moveRows } from '../../src/ops/move/move.ts'
import { masterSecret, migrateOn } from '../../src/runtime/index.ts'
import { products } from './client.ts'
import { command, dataDirectory, finished, startShop, until } from './shop.ts'

const bin = '/usr/lib/postgresql/15/bin'
const lacking = await access(join(bin, 'postgres')).then(() => false as const, () => 'NOT TESTED HERE: Debian\'s postgresql-15 is not installed')

/** Puts the shop's rows into a cluster that Postgres 15 made, in the place of its own. */
async function age(directory: string): Promise<void> {
  const [postgres, older] = [join(directory, 'postgres'), join(directory, 'postgres-older')]
  const home = { ...await openHome(older), engine: { bin, version: '15', major: 15 } }
  const password = await keepPassword(home, undefined, { change: false })
  await createCluster(home, password)
  const old = await launch(home, password, { durable: false })
  const now = await startPostgres({ directory: postgres })
  const definition = appDefinition(app)
  await migrateOn(old, { app: definition, secret: await masterSecret(directory), status: () => {} })
  const on = ({ host, port, user, password: secret }: typeof now) => ({ host, port, user, password: secret, database: 'shop' })
  await moveRows({ source: on(now), target: on(old), schemas: ['tenfold', ...definition.modules.keys()], onTable: () => {}, onVerified: async () => {} })
  await Promise.all([old.stop(), now.stop()])
  await rm(postgres, { recursive: true })
  await rename(older, postgres)
}

test('a database of Postgres 15 becomes one of this version: killed on the way it goes on, and the shop finds its rows', { timeout: 110_000, skip: lacking }, async (context) => {
  const directory = await dataDirectory(context)
  await chmod(dirname(directory), 0o711) // the old initdb goes by the directory's name
  const shop = await startShop(directory)
  const before = await products(shop, 100)
  process.kill(shop.pid, 'SIGTERM')
  await shop.ended
  assert.match((await finished(await command(directory, ['topology', 'upgrade']))).stdout, /^nothing to upgrade$/m)
  await age(directory)

  const refused = await finished(await command(directory, ['start']))
  assert.match(refused.stderr, /was made by Postgres 15, and this is Postgres 18: run tenfold topology upgrade/)
  const nowhere = await finished(await command(directory, ['topology', 'upgrade', '--bin', '/nowhere']))
  assert.deepEqual([nowhere.code, /whose programs are not in \/nowhere: install them/.test(nowhere.stderr)], [1, true], nowhere.stderr)
  const first = await command(directory, ['topology', 'upgrade'])
  await until('some of it is copied', () => /\s5\/\d+/.test(first.stderr()))
  process.kill(first.pid, 'SIGKILL')
  await first.ended

  const upgraded = await finished(await command(directory, ['topology', 'upgrade', '--json']))
  assert.equal(upgraded.code, 0, upgraded.stderr)
  const { from, to, rows, kept, downtimeMs } = JSON.parse(upgraded.stdout) as { from: number; to: number; rows: number; kept: string; downtimeMs: number }
  context.diagnostic(`${rows} rows in ${downtimeMs} ms`)
  assert.deepEqual([from, to, rows > 1_000], [15, 18, true])
  assert.equal((await readFile(join(kept, 'cluster/PG_VERSION'), 'utf8')).trim(), '15')

  // Killed between its last two steps: the old one has left, the new one has not taken its place. Another version goes on with it.
  await rename(join(directory, 'postgres'), join(directory, 'postgres-17'))
  await writeFile(join(directory, 'postgres-17', 'verified.json'), JSON.stringify({ from, rows, tables: 1 }))
  for (const args of [['start'], ['db', 'top']]) assert.match((await finished(await command(directory, args))).stderr, /was broken off just before its end .*: run tenfold topology upgrade/)
  assert.equal((await finished(await command(directory, ['topology', 'upgrade']))).code, 0)
  const again = await startShop(directory, { ports: shop.ports })
  assert.deepEqual(await products(again, 100), before)
  process.kill(again.pid, 'SIGTERM')
  assert.equal((await again.ended).code, 0)
})
