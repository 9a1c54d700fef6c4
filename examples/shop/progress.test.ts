import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progressBar } from './progress.ts'

function record(columns?: number) {
  const written: string[] = []
  return { written, stream: { write: (text: string) => written.push(text), ...(columns === undefined ? {} : { isTTY: true, columns }) } }
}

test('elsewhere than on a terminal: at most one line for each 10 %', () => {
  const { written, stream } = record()
  const bar = progressBar('Reading', 2000, stream)
  for (let count = 0; count < 2000; count++) bar.advance(1)
  bar.advance(500)
  bar.done('2,000 products')
  assert.deepEqual(written, [...Array.from({ length: 10 }, (_, index) => `Reading ${(index + 1) * 10} %\n`), 'Reading: 2,000 products\n'])
})

test('a jump is one line, and a total may become known later', () => {
  const { written, stream } = record()
  const bar = progressBar('Reading', 0, stream)
  bar.reach(10)
  bar.reach(55, 100)
  bar.reach(50, 100)
  assert.deepEqual(written, ['Reading 50 %\n'])
})

test('on a terminal: one line, written over, only when it looks different', () => {
  const { written, stream } = record(60)
  const bar = progressBar('Filling the catalogue', 100_000, stream)
  for (let count = 0; count < 100_000; count++) bar.advance(1)
  bar.done('done')
  assert.ok(written.length < 150)
  assert.equal(written.at(-2), `\rFilling the catalogue ${'█'.repeat(30)} 100 %\u001B[K`)
  assert.equal(written.at(-1), '\r\u001B[KFilling the catalogue: done\n')
})

test('no width breaks it', () => {
  for (let columns = 0; columns < 100; columns++) {
    const { written, stream } = record(columns)
    const bar = progressBar('Filling the catalogue', 3, stream)
    for (const count of [0, 1, -2, 5, Number.NaN]) bar.advance(count)
    for (const text of written) {
      const line = text.replace('\r', '').replace('\u001B[K', '')
      assert.ok(line.length < (columns || 80), `${columns}: ${line}`)
      assert.ok(!line.includes('\n'))
    }
  }
})
