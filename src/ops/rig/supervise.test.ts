import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { commandLine, goneWithin, runCommand, signalProcess, waitFor } from '../../base/process.ts'
import { supervise } from './supervise.ts'

const place = { directory: tmpdir(), lastSignal: 'INT' } as const

test('a program has its number, its input, its code and its last lines', async () => {
  const program = supervise('/bin/sh', ['-c', 'cat >&2; echo $$ >&2; exit 3'], { ...place, input: 'heard\n' })
  assert.deepEqual(await program.ended, { code: 3, log: `heard\n${program.pid}` })
})

test('what can not be started ends, and says why', async () => {
  const missing = await supervise('/nowhere/at-all', [], place).ended
  assert.equal(missing.code, 127)
  assert.match(missing.log, /nowhere.*not found/)
  assert.match((await supervise('true', [], { ...place, directory: '/nowhere' }).ended).log, /ENOENT/)
})

test('a signal reaches it, and only while it runs', async () => {
  const program = supervise('sleep', ['60'], place)
  program.signal('SIGTERM')
  assert.equal((await program.ended).code, null)
  program.signal('SIGTERM')
})

/** A process that supervises `command` for as long as it lives, and says its number. */
async function owner(command: readonly string[], options: object) {
  const script = `
    import { supervise } from ${JSON.stringify(new URL('./supervise.ts', import.meta.url).href)}
    const { pid } = supervise(...${JSON.stringify([command[0], command.slice(1), { ...place, ...options }])})
    console.log(pid)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const [line] = await once(child.stdout, 'data') as [Buffer]
  return { child, pid: Number(line.toString()) }
}

test('it goes when its owner is killed', async () => {
  const { child, pid } = await owner(['sleep', '60'], {})
  child.kill('SIGKILL')
  assert.equal(await goneWithin(pid, 2_000), true)
})

test('frozen, it hears all the same that it is to end: from its owner, and without one', async (context) => {
  const freeze = async (pid: number) => {
    context.after(() => signalProcess(pid, 'SIGKILL'))
    assert.ok(await waitFor(async () => (await commandLine(pid)).startsWith('sleep ') || undefined, { timeoutMs: 2_000 })) // until then it is the shell, which has no watcher yet
    process.kill(pid, 'SIGSTOP')
  }
  const program = supervise('sleep', ['60'], place)
  await freeze(program.pid as number)
  program.signal('SIGTERM')
  assert.equal(await goneWithin(program.pid as number, 2_000), true)
  const { child, pid } = await owner(['sleep', '60'], {})
  await freeze(pid)
  child.kill('SIGKILL')
  assert.equal(await goneWithin(pid, 2_000), true)
})

test('Ctrl-C reaches its owner alone, who drains first', async () => {
  const { child, pid } = await owner(['sleep', '60'], {})
  child.kill('SIGSTOP') // as if it took its time
  process.kill(-(child.pid as number), 'SIGINT')
  assert.equal(await goneWithin(pid, 100), false)
  child.kill('SIGCONT')
  assert.equal(await goneWithin(pid, 2_000), true)
})

test('its children go with it, where that is wanted', async () => {
  const { child, pid } = await owner(['/bin/sh', '-c', 'sleep 60 & echo $! >&2; wait'], { lastSignal: 'KILL', whole: true })
  const members = async () => (await runCommand('ps', ['-o', 'pid=', '-s', String(pid)])).output.trim().split(/\s+/).filter(Boolean).map(Number)
  const sleeper = await waitFor(async () => (await members()).find((member) => member > pid), { timeoutMs: 2_000 })
  child.kill('SIGKILL')
  assert.equal(await goneWithin(pid, 2_000), true)
  assert.equal(await goneWithin(sleeper ?? 0, 2_000), true)
  for (const member of await members()) assert.equal(await goneWithin(member, 2_000), true) // the watcher was among them
})

test('a server that it leaves behind when it is killed is ended too: with its owner, and without; somebody else\'s is not', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-leaves-'))
  const leftovers: number[] = []
  context.after(async () => {
    for (const pid of leftovers) signalProcess(pid, 'SIGKILL')
    await rm(directory, { recursive: true, force: true })
  })
  const leaver = (seconds: number) => ['/bin/sh', '-c', `setsid -f /bin/sh -c 'echo $$ >left; exec sleep ${seconds}' </dev/null >/dev/null 2>&1; sleep 60`] // in a session of its own, as Patroni starts Postgres
  const left = async () => {
    const pid = await waitFor(async () => Number(await readFile(join(directory, 'left'), 'utf8').catch(() => '')) || undefined, { timeoutMs: 2_000 }) ?? 0
    leftovers.push(pid)
    return pid
  }
  const leaves = { pidFile: 'left', mark: 'sleep 61' }

  const [command = '', ...args] = leaver(61)
  const program = supervise(command, args, { ...place, directory, leaves })
  const first = await left()
  program.signal('SIGKILL')
  await program.ended
  assert.equal(await goneWithin(first, 2_000), true)

  await rm(join(directory, 'left'))
  const { child, pid } = await owner(leaver(61), { directory, leaves })
  const second = await left()
  process.kill(pid, 'SIGKILL')
  child.kill('SIGKILL')
  assert.equal(await goneWithin(second, 2_000), true)

  await rm(join(directory, 'left'))
  const [, ...others] = leaver(62)
  const other = supervise(command, others, { ...place, directory, leaves })
  const third = await left()
  other.signal('SIGKILL')
  await other.ended
  assert.equal(await goneWithin(third, 300), false)
})
