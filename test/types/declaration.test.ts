import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { compile } from './compiler.ts'
import { publishInto } from './published.ts'

/** What only the owner of a table may know: its columns, and the tables' own names. */
const internals = /passwordHash|bestSellers|reservations|orderLines|order_lines|reservationId|words|Tables|kysely/

test('an application that was installed with the package can publish its declarations, and its contract names no table', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-declarations-'))
  context.after(() => rm(directory, { recursive: true }))
  await publishInto(directory)
  const { faults } = await compile(['-p', directory, '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', join(directory, 'shop'), '--outDir', join(directory, 'declared')])
  assert.deepEqual(faults, [])
  const contract = await readFile(join(directory, 'declared/app.d.ts'), 'utf8')
  for (const said of ['"POST /v1/orders"', '"short-stock"', 'import("tenfold").FileRef', 'import("tenfold").Tokens']) assert.ok(contract.includes(said), `${said} is not in\n${contract}`)
  assert.doesNotMatch(contract, internals)
  assert.ok(!contract.includes('customerId'), 'what the caller fills is no part of it')
})
