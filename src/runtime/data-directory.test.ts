import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { masterSecret, openDataDirectory } from './data-directory.ts'

describe('the data directory', () => {
  let parent = ''
  before(async () => { parent = await mkdtemp(join(tmpdir(), 'tenfold-data-')) })
  after(() => rm(parent, { recursive: true }))

  test('is made for its owner to read only, and opened again after its release', async () => {
    const path = join(parent, 'deep', 'new')
    const directory = await openDataDirectory(path)
    assert.equal((await stat(path)).mode & 0o766, 0o700)
    assert.equal(directory.file('secret'), join(directory.path, 'secret'))
    assert.equal(await readFile(directory.file('version'), 'utf8'), '1\n')
    await directory.release()
    await (await openDataDirectory(path)).release()
  })

  test('belongs to one living process, and not to a killed one', async () => {
    const path = join(parent, 'held')
    const module = JSON.stringify(new URL('./data-directory.ts', import.meta.url).href)
    const script = `import { openDataDirectory } from ${module}\nawait openDataDirectory(${JSON.stringify(path)})\nconsole.log('open')\nprocess.stdin.resume()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    await assert.rejects(openDataDirectory(path), {
      code: 'start',
      message: `Another Tenfold process (pid ${child.pid}) uses the data directory ${path}: stop it, or set TENFOLD_DATA to another directory.`,
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await openDataDirectory(path)).release()
  })

  test('holds other things already, or cannot be made: refused, and nothing is touched', async () => {
    const path = join(parent, 'home')
    await mkdir(path)
    await writeFile(join(path, 'letter.txt'), 'dear ann')
    await assert.rejects(openDataDirectory(path), { code: 'start', message: `The directory ${path} holds other things (letter.txt) and is not Tenfold's: set TENFOLD_DATA to one that is empty, or that does not exist yet.` })
    assert.deepEqual(await readdir(path), ['letter.txt'])
    // Node's own recursive mkdir never comes back from there.
    if (process.platform === 'linux') await assert.rejects(openDataDirectory('/proc/nowhere/data'), { code: 'start', message: /\/proc\/nowhere\/data cannot be used/ })
  })

  test('of a newer layout, or of somebody else, is refused, and left unlocked', async () => {
    const path = join(parent, 'newer')
    const directory = await openDataDirectory(path)
    await directory.release()
    await writeFile(directory.file('version'), '2\n')
    for (let time = 0; time < 2; time += 1) await assert.rejects(openDataDirectory(path), { code: 'start', message: /written by a newer Tenfold \(layout 2, and this one reads 1\): upgrade/ })
    await writeFile(directory.file('version'), 'version one')
    await assert.rejects(openDataDirectory(path), { code: 'start', message: /does not hold a version number/ })
  })

  test('can not be a file', async () => {
    await writeFile(join(parent, 'file'), '')
    await assert.rejects(openDataDirectory(join(parent, 'file')), { code: 'start', message: /needed as a directory/ })
    await assert.rejects(openDataDirectory(join(parent, 'file', 'below')), { code: 'start', message: /needed as a directory/ })
  })

  test('keeps one secret', async () => {
    const directory = await openDataDirectory(join(parent, 'secrets'))
    const secrets = await Promise.all(Array.from({ length: 10 }, () => masterSecret(directory)))
    assert.equal(new Set(secrets.map((secret) => secret.toString('hex'))).size, 1)
    assert.equal(secrets[0]?.length, 32)
    assert.deepEqual(await masterSecret(directory.path), secrets[0])
    assert.equal((await stat(directory.file('secret'))).mode & 0o777, 0o600)
    await truncate(directory.file('secret'), 7)
    await assert.rejects(masterSecret(directory), { code: 'start', message: /is damaged: restore it/ })
    await directory.release()
  })
})
