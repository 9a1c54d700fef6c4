import { open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { failed, isTenfoldError, systemRandom, type TenfoldError } from '../../base/index.ts'
import { replaceFile } from '../../base/private-files.ts'
import { runCommand } from '../../base/process.ts'
import { engineOf } from '../rig/binaries.ts'
import { fillCluster, hasCluster, type Home, isHalfRestored, openHome } from '../rig/cluster.ts'
import { launch, type PostgresServer, serverPath } from '../rig/postgres.ts'
import type { PostgresSettings } from '../rig/settings.ts'
import type { BackupManifest } from './manifest.ts'
import type { Plan, Target } from './plan.ts'
import { recoveryFolder, restoreCommand, serveLog } from './serve-log.ts'
import { unpackBackup } from './unpack.ts'

export interface RecoverOptions {
  readonly plan: Plan
  /** Becomes a home of an embedded Postgres (`rig/cluster.ts`). Empty, or left by a restore that was killed. */
  readonly directory: string
  /** False, for a drill: nothing need outlive the machine. */
  readonly durable?: boolean
  /** What must stay free on its disk beside what is restored, in bytes. */
  readonly reserveBytes?: number
  readonly onStatus?: (text: string) => void
  /** Bytes fetched of the backup. */
  readonly onBytes?: (bytes: number) => void
  readonly signal?: AbortSignal
}

export interface Recovered {
  /** Runs, and is reached only by `connect`. */
  readonly server: PostgresServer
  /** As a superuser, past the password that nobody here knows yet. */
  connect(database: string): Promise<pg.Client>
  /** When the last transaction that was replayed had been committed, by the old server's clock, ISO 8601 with microseconds; undefined when there was none behind the backup. */
  readonly lastCommitAt: string | undefined
  readonly lsn: string
  readonly timeline: number
  readonly segments: number
  close(): Promise<void>
}

/** A recovery may take as long as it takes. */
const recoveryMs = 7 * 24 * 3_600_000

/**
 * Unpacks a backup and replays the log up to the plan's target, on a new timeline; then the database is as it was at that moment, and takes writers.
 * It listens on no port meanwhile, archives nothing, and whoever is not this process's user is kept out. Errors: `backup`, `start`.
 */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { plan, plan: { store, backup, log }, directory, signal, onStatus } = options
  const opened = await openHome(directory)
  const releasing = async (error: unknown) => { await opened.release(); throw error }
  const home: Home = { ...opened, engine: await engineOf(Number.parseInt(backup.postgres, 10), { user: opened.user }).catch(releasing) }
  const served = await prepare(home, options).catch(releasing)
  try {
    signal?.throwIfAborted()
    onStatus?.('Replaying the log')
    const server = await launch(home, '', { durable: options.durable ?? true, readyMs: recoveryMs, settings: { ...hidden }, overriding: await recoverySettings(home, plan), ...onStatus && { onStatus: () => {} } })
    if (signal?.aborted) { await server.stop(); signal.throwIfAborted() }
    return await running(server, home, served.served, backup.user, served.stop)
  } catch (error) {
    await served.stop()
    await home.release()
    throw served.fault() ?? recoveryFault(error, plan)
  }

  async function prepare(of: Home, { durable = true, reserveBytes = 0, onBytes = () => {} }: RecoverOptions) {
    if (await isHalfRestored(of)) await rm(of.cluster, { recursive: true, force: true })
    else if (await hasCluster(of)) throw failed('backup', `${of.directory} holds a database already, which a restore never touches: restore into an empty directory.`)
    await assertRoom(of.directory, backup.bytes * 1.1 + reserveBytes)
    onStatus?.(`Fetching the backup ${backup.id} from ${store.name}`)
    await fillCluster(of, async (draft) => {
      await unpackBackup(store, backup, draft, of.user, (bytes) => { signal?.throwIfAborted(); onBytes(bytes) })
      await replaceFile(join(draft, 'recovery.signal'), '', { owner: of.user })
      if (durable) await runCommand('sync', process.platform === 'linux' ? ['-f', draft] : [])
    })
    const server = await serveLog({ cluster: of.cluster, user: of.user, store, log, backup, hasTarget: plan.target.kind !== 'latest', signal })
    await replaceFile(join(of.cluster, recoveryFolder, 'hba.conf'), 'local all all trust\n', { owner: of.user })
    return server
  }
}

/** A disk that a restore fills may be the one on which the running database is. */
async function assertRoom(directory: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize >= neededBytes) return
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6)
  throw failed('backup', `The disk of ${directory} has ${megabytes(bavail * bsize)} MB free, and ${megabytes(neededBytes)} are needed: free some space, or use --directory with another disk.`)
}

/** A socket in the data directory, which only its owner may enter. */
const hidden: PostgresSettings = { listen_addresses: '', unix_socket_directories: '.' }

async function recoverySettings(home: Home, { target, timeline }: Plan): Promise<PostgresSettings> {
  return {
    ...hidden,
    hba_file: join(await serverPath(home), recoveryFolder, 'hba.conf'),
    archive_mode: 'off', primary_conninfo: '', primary_slot_name: '', restore_command: restoreCommand,
    hot_standby: 'off', // the limits of the old server, which it would compare with these, are its own
    max_slot_wal_keep_size: -1, synchronous_standby_names: '', ssl: 'off', shared_preload_libraries: '',
    recovery_target_timeline: String(timeline), recovery_target_action: 'promote', ...targetSettings(target),
  }
}

function targetSettings(target: Target): PostgresSettings {
  if (target.kind === 'time') return { recovery_target_time: target.text.replace('T', ' ').replace('Z', '+00') } // at this point Postgres knows no names of zones
  // the first record there is no longer part of it
  return target.kind === 'lsn' ? { recovery_target_lsn: target.lsn, recovery_target_inclusive: 'off' } : {}
}

async function running(server: PostgresServer, home: Home, segments: () => number, user: string, stopServing: () => Promise<void>): Promise<Recovered> {
  // The path of a socket may have 107 characters; that of an open directory is always short.
  const folder = process.platform === 'linux' ? await open(home.cluster) : undefined
  const host = folder ? `/proc/self/fd/${folder.fd}` : home.cluster
  const connect = async (database: string) => {
    const session = new pg.Client({ host, port: server.port, user, database, options: '-c TimeZone=UTC', connectionTimeoutMillis: 10_000 })
    session.on('error', () => {})
    await session.connect()
    return session
  }
  const close = async () => {
    await server.stop()
    await folder?.close()
    await stopServing()
  }
  try {
    const session = await connect('postgres')
    try {
      const { rows: [at] } = await session.query<{ last: string | null; lsn: string; timeline: number }>(`
        select to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last, pg_last_wal_replay_lsn()::text as lsn,
          ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as timeline`)
      return { server, connect, close, lastCommitAt: at?.last ?? undefined, lsn: at?.lsn ?? '', timeline: at?.timeline ?? 0, segments: segments() }
    } finally {
      await session.end()
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Gives the user `postgres`, whose password stood in no backup, a new one, calls the application's database as it is called here, and ends the server: what is left is a home like any other. */
export async function settle({ connect, close }: Recovered, directory: string, database?: BackupManifest['database']): Promise<void> {
  const password = systemRandom.bytes(24).toString('base64url')
  try {
    const session = await connect('postgres')
    const { rowCount } = await session.query(`select from pg_roles where rolname = 'postgres'`)
    await session.query(`${rowCount === 0 ? 'create' : 'alter'} role postgres superuser login replication password ${pg.escapeLiteral(password)}`)
    const { rowCount: taken } = await session.query('select from pg_database where datname = $1', [database?.home ?? ''])
    if (database && taken === 0) await session.query(`alter database ${pg.escapeIdentifier(database.name)} rename to ${pg.escapeIdentifier(database.home)}`)
    await session.end()
    await replaceFile(join(directory, 'password'), `${password}\n`)
  } finally {
    await close()
  }
}

const faults: readonly (readonly [RegExp, (plan: Plan, matched: RegExpExecArray) => string])[] = [
  [/recovery ended before configured recovery target was reached/, ({ target, store }) => `The log in ${store.name} does not reach ${target.kind === 'time' ? target.text : 'that far'}: use an earlier moment, or latest, which takes all there is.`],
  [/requested recovery stop point is before consistent recovery point/, ({ backup }) => `The backup ${backup.id} ended after that moment: use a later moment, or an earlier backup.`],
  [/requested timeline (\d+) (?:is not a child|does not)|recovery target timeline (\d+) does not exist/, ({ backup, timeline }) => `The backup ${backup.id} does not lead to timeline ${timeline}: use --timeline with another, or another backup.`],
  [/could not access file "([^"]+)": No such file/, (_, [, library]) => `The database needs the library ${library}, which this Postgres does not have: restore it where that is installed.`],
]

function recoveryFault(error: unknown, plan: Plan): TenfoldError {
  const log = String(((error as Error).cause as Error | undefined)?.message ?? (error as Error).message)
  for (const [pattern, sentence] of faults) {
    const matched = pattern.exec(log)
    if (matched) return failed('backup', sentence(plan, matched), { cause: error })
  }
  return isTenfoldError(error) ? error : failed('backup', `The recovery broke off (${(error as Error).message}): see to it, and restore again.`, { cause: error })
}

