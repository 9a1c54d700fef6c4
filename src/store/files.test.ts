import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isTenfoldError, systemRandom } from '../base/index.ts'
import { movableClock } from '../testing/clock.ts'
import { folderFiles } from './files.ts'

const day = 86_400_000
const bytesOf = (text: string) => new TextEncoder().encode(text)
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex')
const type = 'text/plain'
const nothing = async () => new Set<string>()

async function setUp(context: TestContext) {
  const parent = await mkdtemp(join(tmpdir(), 'tenfold-files-'))
  context.after(() => rm(parent, { recursive: true }))
  const directory = join(parent, 'not-there-yet')
  const clock = movableClock()
  const files = folderFiles(directory, clock, systemRandom)
  const inside = async () => (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name).toSorted()
  const read = async (...file: Parameters<typeof files.read>) => new Response(await files.read(...file)).text()
  return { directory, clock, files, inside, read }
}

test('a file is read as it was written, from bytes or from a stream', async (context) => {
  const { files, read, directory } = await setUp(context)
  const file = await files.put('receipt.txt', bytesOf('hello'), { type })
  assert.deepEqual(file, { id: digestOf('hello'), name: 'receipt.txt', type, bytes: 5, sha256: digestOf('hello') })
  assert.equal(await read(file), 'hello')
  const digest = digestOf('hello')
  assert.equal(await readFile(join(directory, digest.slice(0, 2), digest.slice(2, 4), digest), 'utf8'), 'hello')
  const streamed = await files.put('long.txt', new Blob([bytesOf('hel'), bytesOf('lo, world')]).stream() as Parameters<typeof files.put>[1], { type })
  assert.deepEqual([streamed.bytes, await read(streamed)], [12, 'hello, world'])
  const empty = await files.put('empty', new Uint8Array(), { type })
  assert.deepEqual([empty.bytes, await read(empty)], [0, ''])
})

test('equal files are one, whatever they are called and however many come at once', async (context) => {
  const { files, inside, read } = await setUp(context)
  const all = await Promise.all(Array.from({ length: 20 }, (_, index) => files.put(`${index}.txt`, bytesOf('same'), { type })))
  assert.equal(new Set(all.map(({ id }) => id)).size, 1)
  assert.deepEqual(await inside(), [digestOf('same')])
  await files.put('other.txt', bytesOf('other'), { type })
  assert.equal((await inside()).length, 2)
  for (const file of all) assert.equal(await read(file), 'same')
})

test('what nobody took within a day is collected, and what a command took is kept', async (context) => {
  const { files, clock, inside, read } = await setUp(context)
  const [taken, lost] = [await files.put('a', bytesOf('taken'), { type }), await files.put('b', bytesOf('lost'), { type })]
  const asked: string[][] = []
  const referenced = async (digests: readonly string[]) => { asked.push(digests.toSorted()); return new Set([taken.sha256]) }
  clock.move(day - 60_000)
  assert.equal(await files.collect(referenced), 0)
  assert.deepEqual(asked, [], 'nothing is old, so nobody is asked')
  clock.move(120_000)
  assert.equal(await files.collect(referenced), 1)
  assert.deepEqual(asked, [[taken.sha256, lost.sha256].toSorted()])
  assert.deepEqual(await inside(), [taken.sha256])
  assert.equal(await read(taken), 'taken')
  await assert.rejects(files.read(lost), { code: 'not-found', message: 'The file b is not in the store.' })
  assert.equal(await files.collect(nothing), 1, 'it is asked about again, for as long as it is there')
})

test('a file that is put again has another day', async (context) => {
  const { files, clock, inside } = await setUp(context)
  await files.put('a', bytesOf('again'), { type })
  clock.move(day - 60_000)
  await files.put('b', bytesOf('again'), { type })
  clock.move(day - 60_000)
  assert.equal(await files.collect(nothing), 0)
  clock.move(120_000)
  assert.equal(await files.collect(nothing), 1)
  assert.deepEqual(await inside(), [])
})

test('a file that is put again while it is collected stays', async (context) => {
  const { files, clock, read } = await setUp(context)
  await files.put('a', bytesOf('again'), { type })
  clock.move(day + 60_000)
  const meanwhile: Awaited<ReturnType<typeof files.put>>[] = []
  assert.equal(await files.collect(async () => { meanwhile.push(await files.put('b', bytesOf('again'), { type })); return new Set() }), 0)
  for (const file of meanwhile) assert.equal(await read(file), 'again')
})

test('a file that goes away while it is collected is no fault', async (context) => {
  const { directory, clock } = await setUp(context)
  let gone = false
  const moving = { ...clock, now: () => { if (!gone) { gone = true; for (const name of ['incoming-1', 'incoming-2']) rmSync(join(directory, name), { force: true }) } return clock.now() } }
  const files = folderFiles(directory, moving, systemRandom)
  await mkdir(directory)
  for (const name of ['incoming-0', 'incoming-1', 'incoming-2', 'incoming-3']) await writeFile(join(directory, name), 'torn')
  assert.equal(await files.collect(nothing), 0)
})

test('what a process left half-written is swept after a day, and counts as nobody\'s file', async (context) => {
  const { files, clock, inside, directory } = await setUp(context)
  await files.put('a', bytesOf('a'), { type })
  await writeFile(join(directory, 'incoming-0011'), 'torn')
  const at = clock.now() / 1000
  await utimes(join(directory, 'incoming-0011'), at, at)
  assert.equal(await files.collect(nothing), 0)
  assert.equal((await inside()).length, 2)
  clock.move(day + 60_000)
  assert.equal(await files.collect(async (digests) => new Set(digests)), 0)
  assert.deepEqual(await inside(), [digestOf('a')])
})

test('a folder that is not there yet holds nothing to collect', async (context) => {
  const { files } = await setUp(context)
  assert.equal(await files.collect(async () => assert.fail('nobody is asked')), 0)
})

test('a digest that is none reads nothing, and leaves the folder by no path', async (context) => {
  const { files, directory } = await setUp(context)
  const file = await files.put('a', bytesOf('a'), { type })
  await writeFile(join(directory, '../secret'), 'secret')
  for (const sha256 of ['', 'x', '../secret', '../../secret', `${directory}/../secret`, file.sha256.toUpperCase(), `${file.sha256}\n`, `${file.sha256}/../../../../secret`, digestOf('another')]) {
    await assert.rejects(files.read({ ...file, sha256 }), (error: unknown) => isTenfoldError(error, 'not-found') && !error.message.includes('/'), sha256)
  }
})

test('a stream that breaks, and one that never ends, leave nothing behind', async (context) => {
  const { files, inside } = await setUp(context)
  const streamOf = (pull: (controller: ReadableStreamDefaultController<Uint8Array>) => void) => new ReadableStream<Uint8Array>({ pull })
  let chunks = 0
  const breaking = streamOf((controller) => { if (chunks++ < 3) controller.enqueue(new Uint8Array(1024)); else controller.error(new Error('the client went away')) })
  await assert.rejects(files.put('a', breaking, { type }), /the client went away/)
  const megabytes = new Uint8Array(8 * 1024 ** 2)
  await assert.rejects(files.put('a', streamOf((controller) => { controller.enqueue(megabytes) }), { type }), (error: unknown) => isTenfoldError(error, 'too-large') && error.status === 413)
  assert.deepEqual(await inside(), [])
})

test('only the owner may read what is kept, and a long name is cut', async (context) => {
  const { files, directory } = await setUp(context)
  const file = await files.put('n'.repeat(300), bytesOf('a'), { type })
  assert.equal(file.name.length, 255)
  assert.equal((await stat(directory)).mode & 0o777, 0o700)
})
