import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { commandLine, goneWithin, processStamp, runCommand, signalProcess, waitFor } from './process.ts'

test('a process is told from others by the moment of its start, and is not there when it is gone', async () => {
  const child = spawn('sleep', ['60'])
  const pid = child.pid as number
  const stamp = await processStamp(pid)
  assert.ok(stamp)
  assert.equal(await processStamp(pid), stamp)
  assert.ok(await processStamp(process.pid))
  assert.equal(await waitFor(async () => (await commandLine(pid)) || undefined, { timeoutMs: 1_000 }), 'sleep 60')
  assert.equal(await goneWithin(pid, 20), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(await goneWithin(pid, 1_000), true)
  assert.equal(await processStamp(pid), undefined)
  assert.equal(await commandLine(pid), '')
  signalProcess(pid, 'SIGTERM')
})

test('a zombie is gone', { skip: process.platform !== 'linux' && 'it is made by the ways of Linux' }, async () => {
  // sh takes the place of the child's parent by a program that does not reap
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = await once(parent.stdout, 'data') as [Buffer]
  assert.equal(await goneWithin(Number(line.toString()), 2_000), true)
  parent.kill('SIGKILL')
})

test('a command answers with its code and output, whether or not it could be run', async () => {
  assert.deepEqual(await runCommand('/bin/sh', ['-c', 'pwd; echo no >&2; exit 3']), { code: 3, output: '/\n', errors: 'no\n' })
  const { code, errors } = await runCommand('/nowhere/at-all', [])
  assert.equal(code, undefined)
  assert.match(errors, /ENOENT/)
})

test('waiting ends with the first answer, or without one', async () => {
  let asked = 0
  assert.equal(await waitFor(() => (asked += 1) === 3 ? 'now' : undefined, { timeoutMs: 1_000, everyMs: 1 }), 'now')
  assert.equal(await waitFor(() => undefined, { timeoutMs: 5, everyMs: 1 }), undefined)
})
