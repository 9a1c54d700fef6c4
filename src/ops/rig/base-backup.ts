import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import pg from 'pg'
import { failed } from '../../base/errors.ts'
import { clientOptions, type Connection, inDatabase } from '../../data/index.ts'
import { plainEnvironment, type SystemUser } from '../../base/process.ts'
import { postgresFault } from './postgres-faults.ts'

/** Where a primary answers, and as whom it lets replication in. What a URL names is one, with all that the URL says beside: `?sslmode=verify-full`, several hosts, a database of its own. */
export type PostgresAddress = Pick<Connection, 'host' | 'port' | 'user' | 'password' | 'connectionString' | 'hosts'> & Partial<Pick<Connection, 'database'>>

/** How node-postgres gets there; its columns are read as node-postgres reads them. Undefined `database`: the one that the address names, or else `postgres`. */
export function sessionOptions(server: PostgresAddress, database = server.database ?? 'postgres'): pg.ClientConfig {
  const { types: _ours, ...options } = clientOptions(inDatabase({ ...server, database }, database))
  return { ...options, connectionTimeoutMillis: 10_000 }
}

/** A session for commands of the replication protocol, which has no prepared statements. Errors: `start`, when the primary can't be reached. */
export async function replicationSession(primary: PostgresAddress, name = 'tenfold'): Promise<pg.Client> {
  const { host, port } = primary
  const options: pg.ClientConfig & { replication: string } = { ...sessionOptions(primary), application_name: name, replication: 'true' }
  const session = new pg.Client(options)
  session.on('error', () => {}) // whoever waits for an answer gets it too
  try {
    await session.connect()
  } catch (cause) {
    throw failed('start', `The primary at ${host}:${port} cannot be reached to copy it (${(cause as Error).message}): start it, or correct its address.`, { cause })
  }
  return session
}

/** A physical slot, so that the primary keeps what its standby has not yet had. No error when it's there already. */
export async function ensureSlot(session: pg.Client, slot: string): Promise<void> {
  await session.query(`CREATE_REPLICATION_SLOT ${pg.escapeIdentifier(slot)} PHYSICAL (RESERVE_WAL true)`).catch((cause: Error & { code?: string }) => {
    if (cause.code !== '42710') throw failed('start', `The primary makes no replication slot ${slot} (${cause.message}): let its user replicate, and allow one slot more.`, { cause })
  })
}

/** Whether the primary still has all that the standby of that slot has not yet had; a slot that is lost (`max_slot_wal_keep_size`) is dropped. (PostgreSQL documentation, "Streaming Replication Protocol", READ_REPLICATION_SLOT; of Postgres 15 and later.) */
export async function keepsLogFor(session: pg.Client, slot: string): Promise<boolean> {
  const { rows: [row] } = await session.query<{ slot_type: string | null; restart_lsn: string | null }>(`READ_REPLICATION_SLOT ${pg.escapeIdentifier(slot)}`)
  if (row?.slot_type && !row.restart_lsn) await session.query(`DROP_REPLICATION_SLOT ${pg.escapeIdentifier(slot)}`)
  return Boolean(row?.restart_lsn)
}

/**
 * What `pg_basebackup`, which npm doesn't bring, does: unpacks a running server's files into that empty directory. They are of one moment only together with the
 * log since the backup's start, which the standby then asks for: make its slot before.
 */
export async function copyCluster(session: pg.Client, directory: string, user: SystemUser | undefined): Promise<void> {
  const tar = untar(directory, user)
  try {
    // `WAIT false`: the slot keeps the log that belongs to it; whether an archive has that too is nothing to wait for
    await baseBackup(session, `LABEL 'tenfold', CHECKPOINT 'fast', WAL false, WAIT false, MANIFEST 'no'`, tar.input)
    tar.input.end()
  } catch (cause) {
    tar.kill()
    const { code, log } = await tar.ended // a disk that is full breaks the pipe first
    if (code) throw postgresFault(log, { directory })
    throw failed('start', `The copy of the primary broke off (${(cause as Error).message}): see whether the primary runs, and start again.`, { cause })
  }
  await tar.done()
}

/** Unpacks what is written to `input`, as that user. `done`: that it all was, or a `start` error. */
export function untar(directory: string, user: SystemUser | undefined) {
  // `i`: the server ends the archive by two empty blocks too many for tar
  const tar = spawn('tar', ['-xif', '-'], { cwd: directory, ...user, env: plainEnvironment, stdio: ['pipe', 'ignore', 'pipe'] })
  const ended = ending(tar)
  return {
    input: tar.stdin, ended, kill: () => { tar.kill() },
    async done() {
      const { code, log } = await ended
      if (code !== 0) throw postgresFault(log, { directory })
    },
  }
}

function ending(tar: ChildProcessByStdio<Writable, null, Readable>): Promise<{ code: number | null; log: string }> {
  let log = ''
  tar.stderr.setEncoding('utf8').on('data', (text: string) => { log = (log + text).slice(-4_096) })
  return new Promise((resolve) => {
    tar.once('error', (error) => resolve({ code: -1, log: `tar: ${error.message}` }))
    tar.once('close', (code) => resolve({ code, log }))
  })
}

/** Where in its log a server was. */
export interface LogPlace { readonly lsn: string; readonly timeline: number }

export interface BaseBackup {
  readonly start: LogPlace
  readonly end: LogPlace
  /** Postgres' own `backup_manifest`; empty when it was not asked for. */
  readonly manifest: Buffer
}

/**
 * Writes a running server's files as one tar archive, without ending `into`. (PostgreSQL documentation, "Streaming Replication Protocol", BASE_BACKUP; of Postgres 15 and later.)
 * `progress` is told how many bytes have come, and with PROGRESS among the options how many the server expects.
 */
export async function baseBackup(session: pg.Client, options: string, into: Writable, progress: (bytes: number, expected: number) => void = () => {}): Promise<BaseBackup> {
  return await new Promise((resolve, reject) => session.query(submittable(`BASE_BACKUP (${options})`, into, progress, resolve, reject)))
}

/** Messages of the copy: `n` begins an archive, `m` the manifest, `d` is data of either, `p` is progress. */
const kinds = { data: 0x64, manifest: 0x6d }

interface CopySession { query(text: string): void; readonly stream: { pause(): void; resume(): void } }

/** In the form in which node-postgres lets one speak a protocol of one's own. */
function submittable(command: string, into: Writable, progress: (bytes: number, expected: number) => void, resolve: (made: BaseBackup) => void, reject: (error: unknown) => void): pg.Submittable {
  let session: CopySession
  let paused = false
  let [bytes, expected] = [0, 0]
  const places: LogPlace[] = []
  let manifest: Buffer[] | undefined
  const resume = () => {
    paused = false
    session.stream.resume()
  }
  into.on('error', reject).on('drain', resume).on('close', () => { if (paused) resume() })
  const handlers = {
    submit(connection: pg.Connection) {
      session = connection as pg.Connection & CopySession
      session.query(command)
    },
    handleDataRow({ fields: [one, two, size] }: { fields: (string | null)[] }) {
      if (size === undefined) places.push({ lsn: one ?? '', timeline: Number(two) })
      else expected += Number(size) * 1024
    },
    handleCopyData({ chunk }: { chunk: Buffer }) {
      if (chunk[0] === kinds.manifest) manifest = []
      if (chunk[0] !== kinds.data || into.destroyed) return
      // a copy, since node-postgres uses its buffer again
      const data = Buffer.from(chunk.subarray(1))
      if (manifest) return void manifest.push(data)
      progress(bytes += data.length, expected)
      if (into.write(data) || paused) return
      paused = true
      session.stream.pause()
    },
    handleError(error: unknown) { reject(error) },
    handleReadyForQuery() {
      const [start, end] = places
      if (start && end) resolve({ start, end, manifest: Buffer.concat(manifest ?? []) })
    },
    handleRowDescription() {}, handleCommandComplete() {}, handleEmptyQuery() {}, handlePortalSuspended() {}, handleCopyInResponse() {},
  }
  return handlers
}
