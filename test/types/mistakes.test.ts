import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compile, type CompilerFault, root } from './compiler.ts'

const path = 'test/types/mistakes.ts'
interface Mistake { readonly number: string; readonly what: string; readonly code: string; readonly words: string; readonly line: number }

/** `// <number>: <the mistake>`, `// TS<code> <words>`, and the line that they are about. */
function mistakesIn(text: string): Mistake[] {
  return [...text.matchAll(/^ *\/\/ (\w+): (.+)\n *\/\/ (TS\d+) (.+)\n/gm)].map(({ index, 0: mark, 1: number = '', 2: what = '', 3: code = '', 4: words = '' }) => (
    { number, what, code, words, line: text.slice(0, index + mark.length).split('\n').length }))
}

const mistakes = mistakesIn(readFileSync(join(root, path), 'utf8'))

describe('the compiler', () => {
  let faults: readonly CompilerFault[] = []
  before(async () => { ({ faults } = await compile(['-p', 'test/types'])) })

  for (const { number, what, code, words, line } of mistakes) test(`refuses ${number}: ${what}`, () => {
    const here = faults.filter((fault) => fault.path === path && fault.line === line)
    assert.deepEqual(here.map((fault) => fault.code), [code], `line ${line}: ${JSON.stringify(here)}`)
    assert.ok(here[0]?.message.includes(words), `${here[0]?.message}\n  does not say\n${words}`)
  })

  test('refuses no other line', () => {
    const marked = new Set(mistakes.map(({ line }) => line))
    assert.deepEqual(faults.filter((fault) => fault.path === path && !marked.has(fault.line)), [])
  })
})

test('no mistake has gone from the list', () => {
  const numbers = ['1', '1b', '2', '3', '3b', '4', '5', '6', '7', '8', '9', '10', '11', '12', '12b', '13', '13b', '14', '14b', '15', '16', '17', '17b', '18', '18b']
  assert.deepEqual(mistakes.map(({ number }) => number).toSorted(), numbers.toSorted())
})
