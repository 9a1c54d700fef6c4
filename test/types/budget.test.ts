import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { compile, countingFlags, figure } from './compiler.ts'
import { publishInto } from './published.ts'

/**
 * Instantiations of types that checking the shop may take, some 15 % above what it takes now: what the compiler is asked to work out
 * is what people wait for in their editors. The paper prototype of the API, types only, took 320,000.
 */
const budget = {
  /** In this repository, where the platform's own source is checked along with it. */
  withSource: 312_000,
  /** At a user's, who has the platform as declarations. */
  published: 255_000,
}

function assertWithin(context: TestContext, output: string, most: number): void {
  const count = figure(output, 'Instantiations')
  context.diagnostic(`${count} instantiations of at most ${most}; checked in ${figure(output, 'Check time')} s`)
  assert.ok(count > 10_000, `no figure that can be right: ${output}`)
  assert.ok(count <= most, `${count} instantiations, ${most} at most: find out which type has become dear (tsc --generateTrace), or raise the budget and say why`)
}

test('the shop is checked within its budget', async (context) => {
  const { output } = await compile(['-p', 'test/types/tsconfig.shop.json', ...countingFlags])
  assertWithin(context, output, budget.withSource)
})

test('the shop is checked within its budget against the published package', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-published-'))
  context.after(() => rm(directory, { recursive: true }))
  // Whether the platform's types can be written down at all; other faults are the type check's to tell.
  assert.deepEqual((await publishInto(directory)).faults.filter(({ code }) => /^TS(4\d{3}|9\d{3}|2742|2883)$/.test(code)), [])
  const { output, faults } = await compile(['-p', directory, ...countingFlags])
  assert.deepEqual(faults, [])
  assertWithin(context, output, budget.published)
})
