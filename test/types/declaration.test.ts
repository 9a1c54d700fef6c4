import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { compile, root } from './compiler.ts'

/** What only the owner of a table may know: its columns, and the tables' own names. */
const internals = /passwordHash|bestSellers|reservations|orderLines|order_lines|reservationId|words|Tables|kysely/

test('app.d.ts is the contract that a client needs, and names no table', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-declarations-'))
  context.after(() => rm(directory, { recursive: true }))
  const { faults } = await compile(['-p', 'test/types/tsconfig.shop.json', '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', root, '--outDir', directory])
  assert.deepEqual(faults.filter(({ path }) => path.startsWith('examples/')), [])
  const contract = await readFile(join(directory, 'examples/shop/app.d.ts'), 'utf8')
  for (const said of ['"POST /v1/orders"', '"short-stock"', 'import("tenfold").FileRef']) assert.ok(contract.includes(said), `${said} is not in\n${contract}`)
  assert.doesNotMatch(contract, internals)
  assert.ok(!contract.includes('customerId'), 'what the caller fills is no part of it')
})
