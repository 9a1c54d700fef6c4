import assert from 'node:assert/strict'
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { completeLinks, copyEngine, findEngine } from './binaries.ts'
import { nameFor, reaches } from './unprivileged.ts'

const asRoot = process.getuid?.() !== 0 && 'only root can become somebody else'
const nobody = { uid: 65534, gid: 65534 }

describe('the binaries', () => {
  let parent = ''
  before(async () => { parent = await mkdtemp(join(tmpdir(), 'tenfold-binaries-')) })
  after(() => rm(parent, { recursive: true }))

  test('are those of this machine', async () => {
    const { bin, version, major } = await findEngine()
    assert.ok((await readdir(bin)).includes('postgres'))
    assert.equal(major, Number.parseInt(version, 10))
    for (const platform of ['plan9', 'win32']) {
      await assert.rejects(findEngine({ platform, architecture: 'x64' }), { code: 'start', message: new RegExp(`^There is no embedded Postgres for ${platform}-x64 in node_modules: .*, or give the topology a Postgres server\\.$`) })
    }
  })

  test('get the links that npm leaves out', async () => {
    const native = join(parent, 'package', 'native')
    await mkdir(join(native, 'lib'), { recursive: true })
    await writeFile(join(native, 'lib', 'libpq.so.5.18'), 'library')
    await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify([{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]))
    await Promise.all([completeLinks(native), completeLinks(native)])
    await completeLinks(native)
    assert.ok((await lstat(join(native, 'lib', 'libpq.so.5'))).isSymbolicLink())
    assert.equal(await readFile(join(native, 'lib', 'libpq.so.5'), 'utf8'), 'library')
  })

  test('are copied, once, to where everybody reaches them', async () => {
    const native = join(parent, 'closed', 'native')
    await mkdir(join(native, 'bin'), { recursive: true, mode: 0o700 })
    await writeFile(join(native, 'bin', 'postgres'), 'binary', { mode: 0o700 })
    const place = join(parent, 'copies', '18.4')
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => copyEngine(native, place))), [place, place, place])
    assert.equal((await stat(join(place, 'bin', 'postgres'))).mode & 0o777, 0o755)
    const { ino } = await stat(place)
    await copyEngine(native, place)
    assert.equal((await stat(place)).ino, ino)
    await rm(join(place, 'bin', 'postgres')) // as cleaners of old files do
    await copyEngine(native, place)
    assert.equal(await readFile(join(place, 'bin', 'postgres'), 'utf8'), 'binary')
    assert.deepEqual(await readdir(join(parent, 'copies')), ['18.4'])
  })

  test('are not taken from a place that others can write', { skip: asRoot }, async () => {
    await mkdir(join(parent, 'open'), { mode: 0o777 })
    await chmod(join(parent, 'open'), 0o777)
    await assert.rejects(copyEngine(join(parent, 'closed', 'native'), join(parent, 'open', '18.4')), { code: 'start', message: /belongs to somebody else: remove it/ })
  })

  test('a directory closed to a user has a name for it all the same', { skip: asRoot }, async () => {
    const directory = join(parent, 'inner') // below 0700 of root
    await mkdir(directory)
    await chown(directory, nobody.uid, nobody.gid)
    assert.equal(await reaches(nobody, directory), false)
    assert.equal(await nameFor(nobody, directory), '/proc/self/cwd')
    assert.equal(await nameFor(undefined, directory), directory)
    assert.equal(await nameFor(nobody, tmpdir()), tmpdir())
  })
})
