import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../base/index.ts'
import { waitFor } from '../base/process.ts'
import { createSink } from './sink.ts'

function directoryOf(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'tenfold-sink-'))
  context.after(() => rmSync(directory, { recursive: true }))
  return directory
}

test('lines come out whole, in their order, and those that wait with the last flush', async (context) => {
  const path = join(directoryOf(context), 'log')
  const fd = openSync(path, 'a')
  const sink = createSink(fd, systemClock)
  const lines = Array.from({ length: 5_000 }, (_, nth) => `${nth} ${'x'.repeat(nth % 200)}\n`)
  for (const line of lines) sink.write(line)
  assert.ok(await waitFor(() => readFileSync(path, 'utf8') === lines.join('') || undefined, { timeoutMs: 5_000 }))
  sink.write('last\n')
  sink.flush()
  assert.equal(readFileSync(path, 'utf8'), `${lines.join('')}last\n`)
  assert.equal(sink.lost, 0)
  closeSync(fd)
})

test('a disk that is full loses lines, counts them, and keeps nobody', { skip: process.platform !== 'linux' && '/dev/full is Linux only' }, async () => {
  const fd = openSync('/dev/full', 'w')
  const sink = createSink(fd, systemClock)
  sink.write('one\n')
  sink.write('two\n')
  assert.equal(await waitFor(() => sink.lost === 2 || undefined, { timeoutMs: 5_000 }), true)
  sink.write('three\n')
  sink.flush()
  assert.equal(sink.lost, 3)
  closeSync(fd)
})

test('a reader that does not read: what waits is bounded, and the flush at the end gives up', { skip: process.platform === 'win32' && 'no FIFOs' }, async (context) => {
  const path = join(directoryOf(context), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, 'r+') // both ends: it opens at once, and nobody reads
  const fd = openSync(path, 'w')
  const sink = createSink(openNonBlocking(path), systemClock)
  const line = `${'x'.repeat(1_000)}\n`
  for (let nth = 0; nth < 3_000; nth++) sink.write(line)
  assert.ok(sink.lost > 1_500, `${sink.lost} lines of 3 MB were lost, 1 MB may wait`)
  sink.flush()
  assert.ok(sink.lost >= 2_900, String(sink.lost))
  closeSync(fd)
  closeSync(reader)
})

function openNonBlocking(path: string): number { return openSync(path, 0o1 | 0o4000) }
