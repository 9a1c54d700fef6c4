import { randomBytes } from 'node:crypto'
import { access, constants, link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { failed, isTenfoldError, type TenfoldError } from './errors.ts'
import type { SystemUser } from './process.ts'

/**
 * Files that are there whole or not at all, and only for their owner to read. What is written goes into a new file beside the
 * place (`O_EXCL`, so that nobody's symbolic link is followed), and then takes its name.
 */
interface WriteOptions { readonly owner?: SystemUser | undefined }

/** Writes the file, 0600, replacing what was there. */
export async function replaceFile(path: string, content: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
  const draft = await writeDraft(path, content, options)
  try {
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** Writes the file, 0600, if there is none: of many that try at once one gets `true`. Never seen half-written. */
export async function createFile(path: string, content: string | Uint8Array, options: WriteOptions = {}): Promise<boolean> {
  const draft = await writeDraft(path, content, options)
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

async function writeDraft(path: string, content: string | Uint8Array, options: WriteOptions): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(content)
    if (options.owner) await file.chown(options.owner.uid, options.owner.gid)
    await file.sync()
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  } finally {
    await file.close()
  }
  return draft
}

/** Adds to a file that is there, and follows no symbolic link. */
export async function appendToFile(path: string, text: string): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes the directory and what is missing above it, each with that mode. Not Node's own `recursive`: below /proc it never ends. */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  await makeWithin(path, mode, false)
}

/** `isRepeated`: what is above it was there already. Else somebody may just have made it. */
async function makeWithin(path: string, mode: number, isRepeated: boolean): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    const hasParent = await isThere(dirname(path))
    if (hasParent && isRepeated) throw error
    if (!hasParent) await makeWithin(dirname(path), mode, false)
    await makeWithin(path, mode, hasParent)
  }
}

/** Removes it with all that is in it, where it is there; a program that is just ending may still make a file in it meanwhile. */
export async function removeDirectory(path: string): Promise<void> { await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }) }

/** Makes the names in a directory outlive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Whether something is there under that name, and may be asked for. */
export async function isThere(path: string): Promise<boolean> { return await access(path).then(() => true, () => false) }

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
}

const otherDirectory = 'or set TENFOLD_DATA to another directory'

/** What the operating system refused, as a `start` error: what it means for the data directory, and what to do. */
export function fileFault(error: unknown, path: string): TenfoldError {
  if (isTenfoldError(error)) return error
  const { code, path: where = path } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(where, error)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    const reason = code === 'EROFS' ? 'it is on a disk that can only be read' : `it is closed to the user ${process.getuid?.() ?? 'of this process'}`
    return failed('start', `${path} cannot be used, since ${reason}: open it, ${otherDirectory}.`, { cause: error })
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') return failed('start', `${path} is needed as a directory, but there is a file: move it away, ${otherDirectory}.`, { cause: error })
  return failed('start', `${path} cannot be used (${code ?? String(error)}): see to ${dirname(path)}, ${otherDirectory}.`, { cause: error })
}

export function diskFull(path: string, cause: unknown): TenfoldError {
  return failed('start', `The disk that holds ${path} is full: free some space, ${otherDirectory}.`, { cause })
}
