import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failed, isTenfoldError, systemClock, type TenfoldError } from '../../../base/index.ts'
import { createFile, isMissing, makeDirectory, replaceFile, syncDirectory } from '../../../base/private-files.ts'
import { assertKey, type BackupStore, type StoredObject } from '../store.ts'

/** How old what was left half-written must be before it is nobody's, in milliseconds. */
const abandonedMs = 3_600_000
const draft = /\.[0-9a-f]{12}\.new$/

/** Backups in a folder, 0700 and 0600: of another disk, if it is to help when this one breaks. */
export function folderStore(directory: string): BackupStore {
  const pathOf = (key: string) => { assertKey(key); return join(directory, key) }
  const told = async <T>(work: () => Promise<T>): Promise<T> => { try { return await work() } catch (error) { throw storeFault(error, directory) } }
  const write = (key: string, how: (path: string) => Promise<boolean>) => told(async () => {
    const path = pathOf(key)
    await makeDirectory(dirname(path), 0o700)
    const written = await how(path)
    if (written) for (let folder = dirname(path); folder.length >= directory.length; folder = dirname(folder)) await syncDirectory(folder)
    return written
  })
  return {
    name: directory,
    async put(key, content) { await write(key, async (path) => { await replaceFile(path, content); return true }) },
    create: (key, content) => write(key, (path) => createFile(path, content)),
    get: (key) => told(async () => await readFile(pathOf(key)).catch((error: unknown) => { if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'EISDIR') return undefined; throw error })),
    list: (prefix) => told(async () => {
      const folder = prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : ''
      const found: StoredObject[] = []
      for (const path of await filesOf(join(directory, folder))) {
        const key = path.slice(directory.length + 1)
        if (!key.startsWith(prefix) || draft.test(key)) continue
        const bytes = (await stat(path).catch(() => undefined))?.size // what is just being removed is not there
        if (bytes !== undefined) found.push({ key, bytes })
      }
      return found.toSorted((one, other) => (one.key < other.key ? -1 : 1))
    }),
    remove: (keys) => told(async () => { for (const key of keys) await rm(pathOf(key), { force: true }) }),
    sweep: () => told(async () => {
      for (const path of await filesOf(directory)) {
        if (draft.test(path) && ((await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity) < systemClock.now() - abandonedMs) await rm(path, { force: true })
      }
    }),
  }
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function storeFault(error: unknown, directory: string): TenfoldError {
  if (isTenfoldError(error)) return error
  const { code } = error as NodeJS.ErrnoException
  const said = code === 'ENOSPC' || code === 'EDQUOT' ? 'is full: free some space on its disk, or keep fewer backups'
    : code === 'EACCES' || code === 'EPERM' ? `is closed to the user ${process.getuid?.() ?? 'of this process'}: open it, or choose another folder`
    : code === 'EROFS' ? 'is on a disk that can only be read: mount it for writing, or choose another folder'
    : code === 'ENOTDIR' || code === 'EEXIST' ? 'has a file in its way: move that away, or choose another folder'
    : `cannot be used (${code ?? String(error)}): see to its disk, or choose another folder`
  return failed('backup', `The store of backups ${directory} ${said}.`, { cause: error })
}
