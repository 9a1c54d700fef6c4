import { readdir, readFile, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { failed } from '../base/errors.ts'
import { createFile, fileFault, isMissing, makeDirectory } from '../base/private-files.ts'
import { lockFile, lockOwner, type ProcessLock } from '../base/process-lock.ts'
import { systemRandom } from '../base/random.ts'

/** Where one process keeps what must outlive it. It is that process's alone until released. */
export interface DataDirectory {
  /** Absolute, without symbolic links. */
  readonly path: string
  /** The absolute path of what is kept there under that name. */
  file(name: string): string
  /** Lets another process have it; may be called twice. */
  release(): Promise<void>
}

/** Goes up when what lies where in the directory changes. */
const layoutVersion = 1

/**
 * Opens the data directory, and makes it when there is none (0711: others may pass through, since Postgres may run as
 * another user, and see nothing). The lock of a killed process is cleared.
 * Errors, all `start`: another process uses it; a newer Tenfold wrote it; the disk is full; it can't be written.
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  try {
    await makeDirectory(resolve(path), 0o711)
    const directory = await realpath(path)
    await refuseForeign(directory)
    const lock = await take(directory)
    try {
      await checkVersion(directory)
    } catch (error) {
      await lock.release()
      throw error
    }
    return { path: directory, file: (name) => join(directory, name), release: () => lock.release() }
  } catch (error) {
    throw fileFault(error, resolve(path))
  }
}

/** The number of the process that has that data directory open; undefined when none has. */
export async function directoryOwner(path: string): Promise<number | undefined> { return await lockOwner(join(resolve(path), 'lock')) }

/** The data directory that another process has opened, and lets this one work in. */
export async function lentDataDirectory(path: string): Promise<DataDirectory> {
  const directory = await realpath(path)
  return { path: directory, file: (name) => join(directory, name), async release() {} }
}

/** A data directory that the processes of a machine share, since their database is elsewhere: it holds what each may write beside the others. Errors: `start`. */
export async function sharedDataDirectory(path: string): Promise<DataDirectory> {
  try {
    await makeDirectory(resolve(path), 0o711)
    const directory = await lentDataDirectory(path)
    await refuseForeign(directory.path)
    await checkVersion(directory.path)
    return directory
  } catch (error) {
    throw fileFault(error, resolve(path))
  }
}

/** A home directory, or a checkout, is no place to scatter a database in. */
async function refuseForeign(directory: string): Promise<void> {
  const names = await readdir(directory)
  if (names.length === 0 || names.some((name) => name === 'version' || name.startsWith('lock'))) return
  throw failed('start', `The directory ${directory} holds other things (${names.slice(0, 3).join(', ')}) and is not Tenfold's: set TENFOLD_DATA to one that is empty, or that does not exist yet.`)
}

async function take(directory: string): Promise<ProcessLock> {
  const lock = await lockFile(join(directory, 'lock'))
  if (!('ownerPid' in lock)) return lock
  throw failed('start', `Another Tenfold process (pid ${lock.ownerPid}) uses the data directory ${directory}: stop it, or set TENFOLD_DATA to another directory.`)
}

async function checkVersion(directory: string): Promise<void> {
  const file = join(directory, 'version')
  await createFile(file, `${layoutVersion}\n`)
  const text = (await readFile(file, 'utf8')).trim()
  const version = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined
  if (version === undefined) throw failed('start', `${file} does not hold a version number, so ${directory} may not be Tenfold's: set TENFOLD_DATA to another directory.`)
  if (version > layoutVersion) {
    throw failed('start', `The data directory ${directory} was written by a newer Tenfold (layout ${version}, and this one reads ${layoutVersion}): upgrade Tenfold, or set TENFOLD_DATA to another directory.`)
  }
}

/**
 * The 32 random bytes from which every key of this installation is derived, made at the first call. Kept in the file `secret` (0600).
 * @param directory an opened data directory, or its path. Errors: `start`, when the file was damaged or can't be written.
 */
export async function masterSecret(directory: string | Pick<DataDirectory, 'path'>): Promise<Buffer> {
  const path = typeof directory === 'string' ? directory : directory.path
  const file = join(path, 'secret')
  try {
    const known = await readFile(file).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw error
    })
    if (known === undefined) await createFile(file, systemRandom.bytes(32))
    const secret = known ?? await readFile(file)
    if (secret.length !== 32) throw failed('start', `The secret in ${file} is damaged: restore it from a backup, or delete it, which signs everybody out.`)
    return secret
  } catch (error) {
    throw fileFault(error, path)
  }
}
