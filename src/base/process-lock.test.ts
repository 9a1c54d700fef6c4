import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { lockFile } from './process-lock.ts'

const module = JSON.stringify(new URL('./process-lock.ts', import.meta.url).href)

/** A process that tries for the lock when told to, says what it got, and then stays. */
function contender(path: string): ChildProcess {
  const script = `
    import { lockFile } from ${module}
    process.stdin.once('data', async () => {
      const lock = await lockFile(${JSON.stringify(path)})
      console.log('ownerPid' in lock ? lock.ownerPid : 'mine')
    })
    console.log('ready')`
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
}

async function said(child: ChildProcess): Promise<string> {
  const [text] = await once(child.stdout as NodeJS.ReadableStream, 'data') as [Buffer]
  return text.toString().trim()
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

describe('the lock of a process', () => {
  let directory = ''
  let number = 0
  const newPath = () => join(directory, `lock${number += 1}`)
  before(async () => { directory = await mkdtemp(join(tmpdir(), 'tenfold-lock-')) })
  after(() => rm(directory, { recursive: true }))

  test('is held by one, in this process too, until released', async () => {
    const path = newPath()
    const lock = await lockFile(path)
    assert.ok('release' in lock)
    assert.deepEqual(await lockFile(path), { ownerPid: process.pid })
    await lock.release()
    await lock.release()
    const again = await lockFile(path)
    assert.ok('release' in again)
    await lock.release() // not its lock any more
    assert.deepEqual(await lockFile(path), { ownerPid: process.pid })
  })

  test('of a dead process, of one whose number was given out again, or torn, is replaced', async () => {
    const dead = spawn('true')
    await once(dead, 'exit')
    for (const content of [JSON.stringify({ pid: dead.pid, startedAt: 'then' }), JSON.stringify({ pid: process.pid, startedAt: 'then' }), '', '{"pi']) {
      const path = newPath()
      await writeFile(path, content)
      assert.ok('release' in await lockFile(path), content)
      assert.equal((JSON.parse(await readFile(path, 'utf8')) as { pid: number }).pid, process.pid)
    }
  })

  test('is replaced though a process died in the midst of replacing it', async () => {
    const path = newPath()
    await writeFile(path, 'torn')
    await writeFile(`${path}.${hash('sha256', 'torn').slice(0, 16)}`, '{"pid":0}')
    assert.ok('release' in await lockFile(path))
  })

  test('goes to exactly one of many processes that find a dead one\'s', async () => {
    const path = newPath()
    const processes = Array.from({ length: 6 }, () => contender(path))
    await Promise.all(processes.map(said))
    await writeFile(path, JSON.stringify({ pid: process.pid, startedAt: 'then' }))
    const answers = Promise.all(processes.map(said))
    for (const { stdin } of processes) stdin?.write('go\n')
    const got = await answers
    assert.equal(got.filter((answer) => answer === 'mine').length, 1, got.join())
    const winner = processes[got.indexOf('mine')]
    for (const answer of got) if (answer !== 'mine') assert.ok(processes.some(({ pid }) => pid === Number(answer)), answer)
    assert.deepEqual(await lockFile(path), { ownerPid: winner?.pid })
    await Promise.all(processes.map(kill))
    assert.ok('release' in await lockFile(path))
    assert.deepEqual((await readdir(directory)).filter((name) => name.includes('.')), [])
  })

  test('goes to one of many that try at once within a process, again and again', async () => {
    for (let round = 0; round < 20; round += 1) {
      const path = newPath()
      await writeFile(path, `dead${round}`)
      const locks = await Promise.all(Array.from({ length: 10 }, () => lockFile(path)))
      assert.equal(locks.filter((lock) => 'release' in lock).length, 1)
    }
  })
})
