import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { constants, createZstdCompress } from 'node:zlib'
import pg from 'pg'
import { failed, isTenfoldError, type Random, type TenfoldError } from '../../base/index.ts'
import { type BaseBackup, baseBackup, type PostgresAddress, replicationSession } from '../rig/base-backup.ts'
import { type BackupManifest, clearUnfinished, partKey, writeManifest, writeStarted } from './manifest.ts'
import { sealContent } from './sealed.ts'
import { adminSession, serverFacts } from './session.ts'
import type { BackupStore } from './store.ts'

export interface TakeOptions {
  readonly server: PostgresAddress
  readonly store: BackupStore
  readonly random: Random
  readonly database?: BackupManifest['database']
  /** Bytes of files that have come, and that the server expects. */
  readonly onProgress?: (bytes: number, expected: number) => void
  readonly signal?: AbortSignal
  /** Asked once no other backup of this database can be under way: false, and none is made. */
  readonly isDue?: (session: pg.Client) => Promise<boolean>
}

/** One backup of a database at a time, whoever makes it. */
const lockKey = 7_010_090
const partBytes = 16 * 1024 ** 2
const { version: tenfold } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }

/**
 * Makes a full backup of a running server, beside its readers and writers. Killed at any moment it leaves no backup, and what it left is cleared away by the next.
 * Undefined when it was not due. Errors: `backup`.
 */
export async function takeBackup(options: TakeOptions): Promise<BackupManifest | undefined> {
  const { server, store, signal } = options
  signal?.throwIfAborted()
  const session = await adminSession(server)
  try {
    const { rows: [lock] } = await session.query<{ free: boolean }>('select pg_try_advisory_lock($1) as free', [lockKey])
    if (!lock?.free) throw failed('backup', 'Another backup of this database is being made: wait until it has ended.')
    if (options.isDue && !await options.isDue(session)) return undefined
    const facts = await serverFacts(session)
    await clearUnfinished(store, facts.system)
    await store.sweep()
    const id = `${new Date(facts.nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${options.random.hex(3)}`
    await writeStarted(store, id, facts.system)
    const { made, parts, bytes } = await copy(options, id)
    await store.put(partKey(id, 'backup_manifest.zst'), await sealContent(made.manifest))
    const { nowMs: endedMs } = await serverFacts(session) // the lock was ours until here
    const manifest: BackupManifest = {
      format: 1, id, system: facts.system, postgres: facts.version, tenfold, user: facts.superuser, ...options.database && { database: options.database }, segmentBytes: facts.segmentBytes,
      startedAt: new Date(facts.nowMs).toISOString(), endedAt: new Date(endedMs + 1).toISOString(), // a millisecond holds a thousand of the server's moments
      start: made.start, end: made.end, parts, bytes, storedBytes: parts.reduce((sum, part) => sum + part.bytes, 0),
    }
    signal?.throwIfAborted()
    await writeManifest(store, manifest)
    return manifest
  } catch (error) {
    if (signal?.aborted) throw failed('backup', 'The backup was interrupted: what it left is cleared away by the next.', { cause: error })
    throw backupFault(error)
  } finally {
    await session.end()
  }
}

const faults: readonly (readonly [RegExp, string])[] = [
  [/checksum verification failure/, 'The database has damaged pages, and so it was not backed up: see to its disk, find the table by amcheck or pg_dump, and restore the newest backup if need be.'],
  [/requested WAL segment \S+ has already been removed/, 'More log was written during the backup than the server keeps: raise its max_slot_wal_keep_size, and try again.'],
  [/all replication slots are in use/, 'A backup needs a replication slot, and all are taken: raise max_replication_slots, or drop one that nobody uses.'],
  [/number of requested standby connections exceeds|max_wal_senders/, 'A backup needs a replication connection, and all are taken: raise max_wal_senders.'],
  [/permission denied|must be superuser|not permitted to (?:run|use|start)|role "[^"]*" .*replicat/i, 'The user of the backup may not replicate: make it a superuser, or give it REPLICATION and pg_read_all_settings.'],
]

function backupFault(error: unknown): TenfoldError {
  const { message } = error as Error
  const known = faults.find(([pattern]) => pattern.test(message))
  if (known) return failed('backup', known[1], { cause: error })
  return isTenfoldError(error) ? error : failed('backup', `The backup broke off (${message}): see whether the database runs, and try again.`, { cause: error })
}

interface Copied { readonly made: BaseBackup; readonly parts: BackupManifest['parts']; readonly bytes: number }

async function copy({ server, store, random, onProgress, signal }: TakeOptions, id: string): Promise<Copied> {
  const session = await replicationSession(server)
  const cut = () => { void session.end() }
  signal?.addEventListener('abort', cut)
  let bytes = 0
  try {
    // so that the log since the start of the backup is there at its end, however long it takes
    await session.query(`CREATE_REPLICATION_SLOT ${pg.escapeIdentifier(`tenfold_backup_${random.hex(4)}`)} TEMPORARY PHYSICAL (RESERVE_WAL true)`)
    const packed = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } })
    const options = `LABEL 'tenfold ${id}', PROGRESS true, CHECKPOINT 'fast', WAL true, WAIT false, MANIFEST 'yes'`
    const sending = baseBackup(session, options, packed, (come, expected) => { bytes = come; onProgress?.(come, expected) }).then((made) => { packed.end(); return made })
    sending.catch((error: unknown) => packed.destroy(error as Error))
    const parts = await storeParts(store, id, packed)
    return { made: await sending, parts, bytes }
  } finally {
    signal?.removeEventListener('abort', cut)
    await session.end()
  }
}

async function storeParts(store: BackupStore, id: string, packed: AsyncIterable<Buffer>): Promise<BackupManifest['parts']> {
  const parts: { name: string; bytes: number; sha256: string }[] = []
  let gathered: Buffer[] = []
  let size = 0
  const flush = async () => {
    const content = Buffer.concat(gathered)
    gathered = []
    size = 0
    const name = `base-${String(parts.length + 1).padStart(6, '0')}`
    await store.put(partKey(id, name), content)
    parts.push({ name, bytes: content.length, sha256: hash('sha256', content) })
  }
  for await (const chunk of packed) {
    gathered.push(chunk)
    size += chunk.length
    if (size >= partBytes) await flush()
  }
  if (size > 0) await flush()
  return parts
}
