import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { appendToFile, createFile, fileFault, makeDirectory, replaceFile } from './private-files.ts'

describe('private files', () => {
  let directory = ''
  before(async () => { directory = await mkdtemp(join(tmpdir(), 'tenfold-files-')) })
  after(() => rm(directory, { recursive: true }))

  test('of many who create a file one does, and all read it whole', async () => {
    const path = join(directory, 'one')
    const done = await Promise.all(Array.from({ length: 20 }, async (_, number) => {
      const created = await createFile(path, `${number}`.repeat(1_000))
      return { created, number, read: await readFile(path, 'utf8') }
    }))
    const winners = done.filter(({ created }) => created)
    assert.equal(winners.length, 1)
    for (const { read } of done) assert.equal(read, `${winners[0]?.number}`.repeat(1_000))
    assert.deepEqual(await readdir(directory), ['one'])
  })

  test('only their owner reads them, and nobody else can redirect them', async () => {
    const [path, victim] = [join(directory, 'link'), join(directory, 'victim')]
    await writeFile(victim, 'mine')
    await symlink(victim, path)
    await replaceFile(path, 'new')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual([await readFile(path, 'utf8'), await readFile(victim, 'utf8')], ['new', 'mine'])
    await symlink(victim, join(directory, 'other'))
    await assert.rejects(appendToFile(join(directory, 'other'), 'more'), { code: 'ELOOP' })
    await appendToFile(path, ' line')
    assert.equal(await readFile(path, 'utf8'), 'new line')
  })

  test('many make a directory, and what is above it, at once; below /proc none is made', async () => {
    for (let round = 0; round < 20; round++) {
      const paths = Array.from({ length: 8 }, (_, number) => join(directory, `deep-${round}`, `${number % 3}`, `${number}`))
      await Promise.all(paths.map((path) => makeDirectory(path, 0o700)))
      for (const path of paths) assert.ok((await stat(path)).isDirectory())
    }
    if (process.platform === 'linux') await assert.rejects(makeDirectory('/proc/nobody/nothing', 0o700), { code: 'ENOENT' })
  })

  test('what the operating system refuses becomes one sentence', () => {
    const said = (code: string) => fileFault(Object.assign(new Error('raw'), { code }), '/data/x').message
    assert.equal(said('ENOSPC'), 'The disk that holds /data/x is full: free some space, or set TENFOLD_DATA to another directory.')
    assert.match(said('EACCES'), /^\/data\/x cannot be used, since it is closed to the user \d+: open it, or set TENFOLD_DATA to another directory\.$/)
    assert.match(said('EROFS'), /on a disk that can only be read/)
    assert.match(said('ENOTDIR'), /needed as a directory/)
    assert.match(said('EIO'), /cannot be used \(EIO\)/)
  })
})
