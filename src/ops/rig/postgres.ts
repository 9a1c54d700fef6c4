import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { fileFault, replaceFile } from '../../base/private-files.ts'
import { waitFor } from '../../base/process.ts'
import { archiveSettings, type Archiving } from './archiving.ts'
import { createCluster, hasCluster, type Home, isHalfRestored, isStandby, keepPassword, openHome } from './cluster.ts'
import { clusterName, endLeftover, endOrphans } from './leftover.ts'
import { freePort } from './ports.ts'
import { isPortTaken, isStillInUse, postgresFault } from './postgres-faults.ts'
import { type PostgresSettings, settingsFile } from './settings.ts'
import { type Supervised, supervise } from './supervise.ts'
import { nameFor, workingDirectory } from './unprivileged.ts'

/** A running Postgres that is ours: it ends when this process does, however that ends. */
export interface PostgresServer {
  readonly host: string
  readonly port: number
  readonly user: 'postgres'
  readonly password: string
  /** As asked for, absolute: `cluster/` in it is what Postgres calls its data directory. */
  readonly directory: string
  /** Of the server itself: who signals it knows what that does. */
  readonly pid: number
  /** Resolves when the server is gone. `expected` is false when it went by itself; `log` has its last lines. */
  readonly exited: Promise<{ readonly expected: boolean; readonly log: string }>
  /** Ends it in good order, and waits until it is gone; after 20 s it is told to go at once, which the next start repairs. May be called twice. */
  stop(): Promise<void>
}

export interface LaunchOptions {
  /** Undefined: one that is free. */
  readonly port?: number | undefined
  /** Beside and above the usual ones. */
  readonly settings?: PostgresSettings | undefined
  /** On its command line, for this run alone: these count more than what ALTER SYSTEM has set. */
  readonly overriding?: PostgresSettings | undefined
  /** How long it may take to become ready, in milliseconds: ten minutes unless told. */
  readonly readyMs?: number | undefined
  /** False, for tests: what was committed may be lost when the machine, though not when Postgres, goes down. */
  readonly durable?: boolean | undefined
  /** False: waiting for the server does not keep this process alive. */
  readonly keepsAlive?: boolean | undefined
  /** Told what the server logs. */
  readonly onOutput?: ((text: string) => void) | undefined
  /** Told what takes time, in words for a person. */
  readonly onStatus?: ((text: string) => void) | undefined
}

export interface PostgresOptions extends LaunchOptions {
  /** Made when there is none. */
  readonly directory: string
  /** Of the user `postgres`. Undefined: a random one, kept in the directory. */
  readonly password?: string | undefined
  /** Whether its log is archived (`archiving.ts`). Undefined: as at the start before. */
  readonly archive?: Archiving | 'off' | undefined
}

/**
 * Starts a Postgres on that directory, and makes its database first when there is none. Answers when it takes connections.
 * Errors, all `start`: another process runs it; another version made it; the port is taken; the disk is full; it can't be written; ...
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const home = await openHome(options.directory)
  try {
    const old = await hasCluster(home)
    if (old && await isStandby(home)) throw failed('start', `The database in ${home.directory} is a standby: start it as one, or promote it first.`)
    if (old && await isHalfRestored(home)) throw failed('start', `The database in ${home.directory} was not restored to its end: run tenfold restore on it again.`)
    if (!old) options.onStatus?.(`Creating a database in ${home.directory}`)
    const password = await keepPassword(home, options.password, { change: old })
    if (!old) await createCluster(home, password)
    const archive = await archiveSettings(home, options.archive)
    return await launch(home, password, { ...options, settings: { ...archive, ...options.settings } })
  } catch (error) {
    await home.release()
    throw fileFault(error, home.directory)
  }
}

const attempts = 20
const stopMs = 20_000
/** Repairing after a crash reads at most the log of some minutes; a server that needs longer than this hangs. */
const startMs = 10 * 60_000

/** Before version 16 Postgres looks for its program by going to its folder, and would not find back to a directory that its user has no way to: there the way leads by an open descriptor. */
const [descriptor, byDescriptor] = ['/proc/self/fd/9', 'exec 9<.; cd /; exec "$@"']

/** What the server of that home calls its data directory. */
export async function serverPath(home: Home): Promise<string> {
  const name = await nameFor(home.user, home.cluster)
  return name === workingDirectory && home.engine.major < 16 ? descriptor : name
}

/** Runs the server of a cluster that is there. Takes over the home: it is released when the server is gone. */
export async function launch(home: Home, password: string, options: LaunchOptions): Promise<PostgresServer> {
  const text = settingsFile(options.settings ?? {}, { durable: options.durable ?? true, major: home.engine.major })
  await replaceFile(join(home.cluster, 'tenfold.conf'), text, { owner: home.user })
  const name = await serverPath(home)
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? await freePort()
    const args = ['-D', name, '-c', `port=${port}`, '-c', `cluster_name=${clusterName(home.cluster)}`, ...Object.entries(options.overriding ?? {}).flatMap(([key, value]) => ['-c', `${key}=${value}`])]
    const [command = '', ...line] = [...name === descriptor ? ['/bin/sh', '-c', byDescriptor, 'postgres'] : [], join(home.engine.bin, 'postgres'), ...args]
    const server = supervise(command, line, { directory: home.cluster, user: home.user, lastSignal: 'INT', onOutput: options.onOutput })
    const log = await untilReady(server, home, options)
    if (log === undefined) return running(server, home, { port, password, keepsAlive: options.keepsAlive ?? true })
    const repeat = attempt < attempts && (isStillInUse(log) || (isPortTaken(log) && options.port === undefined))
    if (!repeat) throw postgresFault(log, { directory: home.directory, port })
    if (isStillInUse(log)) {
      await endLeftover(home.cluster)
      await endOrphans(home.cluster)
      await waitFor(() => undefined, { timeoutMs: 100 })
    }
  }
}

/** Undefined when the server takes connections; its last words when it is gone instead. */
async function untilReady(server: Supervised, home: Home, { onStatus, readyMs = startMs }: LaunchOptions): Promise<string | undefined> {
  let lastWords: string | undefined
  void server.ended.then(({ log }) => { lastWords = log })
  const ready = async () => {
    if (lastWords !== undefined) return { lastWords }
    const lines = (await readFile(join(home.cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    return lines[0] === String(server.pid) && lines[7]?.trim() === 'ready' ? { lastWords: undefined } : undefined
  }
  let found = await waitFor(ready, { timeoutMs: 3_000, everyMs: 5 })
  if (!found) {
    onStatus?.(`Postgres is still starting in ${home.directory}: it repairs what a crash left, which may take minutes`)
    found = await waitFor(ready, { timeoutMs: readyMs, everyMs: 50 })
  }
  if (found) return found.lastWords
  server.signal('SIGQUIT')
  await server.ended
  throw failed('start', `Postgres did not become ready in ${home.directory} within ${readyMs / 60_000} minutes: see whether its disk works, and start again.`)
}

function running(server: Supervised, home: Home, about: { port: number; password: string; keepsAlive: boolean }): PostgresServer {
  let expected = false
  server.keepsAlive(about.keepsAlive)
  const exited = server.ended.then(async ({ log }) => {
    await home.release().catch(() => {}) // the directory may be gone, and the lock with it
    return { expected, log }
  })
  return {
    host: '127.0.0.1', port: about.port, user: 'postgres', password: about.password, directory: home.directory, pid: server.pid as number, exited,
    async stop() {
      expected = true
      server.keepsAlive(true)
      server.signal('SIGINT')
      const timer = setTimeout(() => server.signal('SIGQUIT'), stopMs)
      await exited
      clearTimeout(timer)
    },
  }
}
