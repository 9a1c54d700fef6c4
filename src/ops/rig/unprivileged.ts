import { chown, lstat, mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { isMissing } from '../../base/private-files.ts'
import { runCommand, type SystemUser } from '../../base/process.ts'

/**
 * Postgres refuses to run as root. Where we are root it runs as `nobody`, which may enter few directories: a clone below `/root` or
 * one made by `mktemp -d` are closed to it, and we never change the rights of a user's directories. What we may do is start it
 * with its working directory there: a working directory needs no way to it. `/proc/self/cwd` is then a path to it for Postgres.
 */
const nobody: SystemUser = { uid: 65534, gid: 65534 }

/** Who runs a server that refuses to be root: `nobody` where we are, else whoever we are. */
export function ordinaryUser(): SystemUser | undefined { return process.getuid?.() === 0 ? nobody : undefined }

/** Who runs the server of that cluster: its owner, or `nobody` for a new one; undefined when we aren't root, so as we are. */
export async function serverUser(cluster: string): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const { uid, gid } = await lstat(join(cluster, 'PG_VERSION')).catch((error: unknown) => {
    if (isMissing(error)) return nobody
    throw error
  })
  if (uid !== 0) return { uid, gid }
  throw failed('start', `The database in ${cluster} belongs to root, and Postgres refuses to run as root: run chown -R ${nobody.uid}:${nobody.gid} ${cluster}.`)
}

/** Whether that user may enter, or run, what is at `path`. Asked by trying: mode bits don't tell all. */
export async function reaches(user: SystemUser | undefined, path: string): Promise<boolean> {
  return user === undefined || (await runCommand('/bin/sh', ['-c', 'test -r "$1" && test -x "$1"', 'sh', path], { user })).code === 0
}

/** What `user`, working in `directory`, calls that directory. Errors: `start`, where it has no name that the user may use. */
export async function nameFor(user: SystemUser | undefined, directory: string): Promise<string> {
  if (await reaches(user, directory)) return directory
  const { code } = await runCommand('/bin/sh', ['-c', 'test -r /proc/self/cwd/. && test -x /proc/self/cwd/.'], { user, cwd: directory })
  if (code === 0) return workingDirectory
  throw failed('start', `Postgres refuses to run as root, and user ${user?.uid} may not enter ${directory}: run as an ordinary user, or set TENFOLD_DATA to a directory that all may enter.`)
}

/** What `nameFor` says where the only way leads by the working directory. */
export const workingDirectory = '/proc/self/cwd'

/** A new directory of that user alone, 0700: `path` itself, or with `ending: 'random'` one that begins so. Answers its path. */
export async function makeDirectoryOf(user: SystemUser | undefined, path: string, options: { ending?: 'random' } = {}): Promise<string> {
  const made = options.ending ? await mkdtemp(path) : path
  if (!options.ending) await mkdir(made, { mode: 0o700 })
  if (user) await chown(made, user.uid, user.gid)
  return made
}

/** Whether nobody but us can have put anything there: in a place like `/tmp` others may have been first. */
export async function isOursAlone(path: string): Promise<boolean> {
  const found = await lstat(path)
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
}
