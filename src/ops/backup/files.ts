import { hash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/index.ts'
import { createFile, isMissing, makeDirectory } from '../../base/private-files.ts'
import type { BackupStore } from './store.ts'

/**
 * Files that were uploaded (`store/files.ts`) have the name of their content, so a backup of them is every one that the store does not have yet, and any of them can be held against its name:
 * `files/ab/<sha256>`. None is removed from the store: an older backup may refer to it.
 */
const sha256 = /^[0-9a-f]{64}$/
const keyOf = (digest: string) => `files/${digest.slice(0, 2)}/${digest}`
const digestOf = (key: string) => key.slice(key.lastIndexOf('/') + 1)

export interface FileKeeper {
  /** Stores what is new. Answers how many files. Errors: `backup`. */
  pass(): Promise<number>
}

/** `directory`: where the application keeps its files. `onDamaged` is told, once, of a file that is not what its name says: it is not stored. */
export function createFileKeeper(directory: string, store: BackupStore, onDamaged: (path: string) => void = () => {}): FileKeeper {
  let known: Set<string> | undefined
  return {
    async pass() {
      let count = 0
      known ??= new Set((await store.list('files/')).map(({ key }) => digestOf(key)))
      for (const { name, path } of await filesIn(directory)) {
        if (known.has(name)) continue
        const content = await readFile(path).catch((error: unknown) => { if (isMissing(error)) return undefined; throw error }) // nobody took it, and it was just collected
        if (!content) continue
        if (hash('sha256', content) !== name) onDamaged(path)
        else if (await store.create(keyOf(name), content)) count++
        known.add(name)
      }
      return count
    },
  }
}

async function filesIn(directory: string): Promise<{ name: string; path: string }[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((error: unknown) => { if (isMissing(error)) return []; throw error })
  return entries.filter((entry) => entry.isFile() && sha256.test(entry.name)).map(({ name, parentPath }) => ({ name, path: join(parentPath, name) }))
}

const atOnce = 4

/** Puts every stored file where the application looks for it; those that are there already stay. Answers how many there are. Errors: `backup`, `start`. */
export async function restoreFiles(store: BackupStore, directory: string, onBytes: (bytes: number) => void = () => {}): Promise<number> {
  const stored = (await store.list('files/')).filter(({ key }) => sha256.test(digestOf(key)))
  for (let at = 0; at < stored.length; at += atOnce) {
    await Promise.all(stored.slice(at, at + atOnce).map(async ({ key }) => {
      const digest = digestOf(key)
      const folder = join(directory, digest.slice(0, 2), digest.slice(2, 4))
      if (await stat(join(folder, digest)).then(() => true, () => false)) return
      const content = await readStored(store, key)
      await makeDirectory(folder, 0o700)
      await createFile(join(folder, digest), content)
      onBytes(content.length)
    }))
  }
  return stored.length
}

async function readStored(store: BackupStore, key: string): Promise<Buffer> {
  const content = await store.get(key)
  if (content && hash('sha256', content) === digestOf(key)) return content
  throw failed('backup', `${key} in ${store.name} is ${content ? 'damaged' : 'missing'}: put it there from a copy of the store, or remove it, and do without that file.`)
}

/** What is wrong with the stored files, each in one sentence. */
export async function faultsOfFiles(store: BackupStore, onBytes: (bytes: number) => void): Promise<{ files: number; faults: string[] }> {
  const faults: string[] = []
  const stored = await store.list('files/')
  for (const { key } of stored) await readStored(store, key).then(({ length }) => onBytes(length), (error: Error) => faults.push(error.message))
  return { files: stored.length, faults }
}
