import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FileRef, Files } from '../app/index.ts'
import { type Clock, failed, type Random } from '../base/index.ts'

/** A day: how long a file may wait for a command to take it. */
const unreferencedMs = 24 * 3_600_000
const bytesMax = 100 * 1024 ** 2
const sha256 = /^[0-9a-f]{64}$/

export interface FileStore extends Files {
  /** Removes what nobody took in time: `referenced` answers which of these digests a command has taken. Answers how many went. */
  collect(referenced: (digests: readonly string[]) => Promise<ReadonlySet<string>>): Promise<number>
}

/** Files by their content in a folder, `ab/cd/<sha256>`: equal files are one, and a file once written never changes. */
export function folderFiles(directory: string, clock: Clock, random: Random): FileStore {
  const pathOf = (digest: string) => join(directory, digest.slice(0, 2), digest.slice(2, 4), digest)
  return {
    async put(name, body, { type }) {
      const temporary = join(directory, `incoming-${random.bytes(8).toString('hex')}`)
      await mkdir(directory, { recursive: true, mode: 0o700 })
      try {
        const { digest, bytes } = await write(temporary, body)
        const path = pathOf(digest)
        await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
        await rename(temporary, path)
        // Its day begins now, also where it was there already.
        await utimes(path, clock.now() / 1000, clock.now() / 1000)
        return { id: digest, name: name.slice(0, 255), type, bytes, sha256: digest }
      } catch (error) {
        await rm(temporary, { force: true })
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw failed('overloaded', `The disk of ${directory} is full: free some space.`, { cause: error })
        throw error
      }
    },
    async read(file: FileRef) {
      if (!sha256.test(file.sha256)) throw failed('not-found', 'There is no such file.')
      const path = pathOf(file.sha256)
      await stat(path).catch((cause: unknown) => { throw failed('not-found', `The file ${file.name} is not in the store.`, { cause }) })
      return Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>
    },
    async collect(referenced) {
      const old: string[] = []
      // What is put or taken away meanwhile is not old.
      const isOld = async (path: string) => ((await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity) <= clock.now() - unreferencedMs
      for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])) {
        const path = join(entry.parentPath, entry.name)
        if (!entry.isFile() || !await isOld(path)) continue
        if (sha256.test(entry.name)) old.push(entry.name)
        else await rm(path, { force: true })
      }
      const kept = old.length > 0 ? await referenced(old) : new Set()
      let gone = 0
      for (const digest of old) {
        if (kept.has(digest) || !await isOld(pathOf(digest))) continue
        await rm(pathOf(digest), { force: true })
        gone++
      }
      return gone
    },
  }
}

async function write(path: string, body: Uint8Array | ReadableStream<Uint8Array>): Promise<{ digest: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  const source = body instanceof Uint8Array ? Readable.from([body]) : Readable.fromWeb(body as never) // Node's and the DOM's stream types differ in name only
  await pipeline(source, async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > bytesMax) throw failed('too-large', `A file is larger than ${bytesMax} bytes.`)
      hash.update(chunk)
      yield chunk
    }
  }, createWriteStream(path, { flush: true }))
  return { digest: hash.digest('hex'), bytes }
}
