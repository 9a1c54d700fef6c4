import pg from 'pg'
import { type Clock, failed, isTenfoldError, type Random, systemClock, systemRandom } from '../base/index.ts'
import { inTransaction, runBackfill } from './backfill.ts'
import { snakeName } from './builder.ts'
import { databaseFault, isLockLost, isOutsideOnly } from './faults.ts'
import { grantSchemas, guardSharded, prepareRoles } from './guards.ts'
import { judgePending, type ModuleFiles, refuseUnsafe } from './judged.ts'
import { parseStatements } from './judge/parse.ts'
import { type Patience, patiently, usualPatience } from './locking.ts'
import { type MigratedModule, type MigrationFile, nameOf, partFiles, platform, readFiles } from './migration-files.ts'
import { runOutside } from './outside.ts'
import { clientOptions, type Connection } from './pool.ts'
import { inDatabase } from './url.ts'
import { type ReplicaLag, usualLag } from './replica-lag.ts'
import { olderThan, type RunningVersion } from './versions.ts'

export interface MigrateOptions {
  /** A role that may create schemas and roles, and, to judge what is pending, databases; on the server itself, since what it locks is its session's, and a pooler may have many. */
  readonly admin: Connection
  /** The role that the application runs as, made when it is missing. */
  readonly application: { readonly user: string; readonly password: string }
  readonly modules: Iterable<MigratedModule>
  /** Runs everything that one transaction can hold, then rolls it back. */
  readonly dryRun?: boolean
  /** Makes the database when it is not there. */
  readonly create?: boolean
  /**
   * As part of a process's start: a contract step that must wait for older versions is left for later, if nothing comes behind it; and a
   * database that a newer version has migrated is taken as it is.
   */
  readonly starting?: boolean
  readonly onFile?: (file: AppliedFile) => void
  /** Told what takes time: a lock that is waited for, how far a backfill is. */
  readonly onStatus?: (text: string) => void
  /** How long each file waits for its locks: 20 tries of 1,000 ms unless told. */
  readonly locks?: { readonly lockTimeoutMs: number; readonly tries: number }
  /** How far a replica may be behind before a backfill waits for it: 16 MB, and 5 s, unless told. */
  readonly lag?: ReplicaLag
  readonly clock?: Clock
  readonly random?: Random
}
export interface AppliedFile { readonly module: string; readonly file: string }

/** One migration of one database at a time, whoever starts it. */
const lockKey = 7_010_077
const [lockEveryMs, lockWaitMs] = [100, 30 * 60_000]

/**
 * Brings one database to what its modules' files say: forward only, each file once, under an advisory lock. A database that has had none
 * gets them all in one transaction. On one that is in use, every statement is judged first (`judge/`), and each file is a transaction of
 * its own, which waits for its locks a moment at a time; what cannot be one (an index built concurrently, a backfill) can be gone on with.
 * Answers the files that were applied. Errors: `migration`, with the file's name: one that was changed or lost after it was applied, one
 * that fails or is refused, one that got no lock, a contract step while an older version runs, a table of a sharded module without its bucket.
 */
export async function migrate(options: MigrateOptions): Promise<AppliedFile[]> {
  const modules = [platform, ...[...options.modules].toSorted((a, b) => (a.name < b.name ? -1 : 1))]
  const files = new Map(await Promise.all(modules.map(async (module) => [module.name, await readFiles(module)] as const)))
  if (options.create) await createDatabase(options.admin)
  const client = new pg.Client({ ...clientOptions(options.admin), options: '-c TimeZone=UTC' }) // migrations may take their time: no statement limit
  client.on('error', () => { /* told by the query that fails */ })
  try {
    await client.connect()
    await lockMigrations(client, options)
    const migration: Migration = { client, options, modules, files }
    return await applyAtOnce(migration) ?? await applyInUse(migration)
  } catch (error) {
    throw databaseFault(error, options.admin.database)
  } finally {
    await client.end().catch(() => { /* it never was there, or is gone */ })
  }
}

interface Migration { readonly client: pg.Client; readonly options: MigrateOptions; readonly modules: readonly MigratedModule[]; readonly files: ReadonlyMap<string, readonly MigrationFile[]> }

/** Asked for again and again: one that waits inside a statement has a snapshot, for which an index that is built concurrently would wait in turn. */
async function lockMigrations(client: pg.Client, { clock = systemClock, onStatus }: Pick<MigrateOptions, 'clock' | 'onStatus'>): Promise<void> {
  const until = clock.monotonic() + lockWaitMs
  for (let told = false; ; told = true) {
    const { rows } = await client.query<{ ours: boolean }>('select pg_try_advisory_lock($1) as ours', [lockKey])
    if (rows[0]?.ours) return
    if (clock.monotonic() > until) throw failed('migration', `Another process has been migrating this database for ${lockWaitMs / 60_000} minutes: wait until it is done, or end it, and start again.`)
    if (!told) onStatus?.('another process migrates this database: waiting for it')
    await clock.sleep(lockEveryMs)
  }
}

/** A database that has had no file: nobody uses it, so all is one transaction. Undefined: it has, or a file can't be part of one. */
async function applyAtOnce({ client, options, modules, files }: Migration): Promise<AppliedFile[] | undefined> {
  if (await wasMigrated(client) || [...files.values()].flat().some(({ backfill }) => backfill)) return undefined
  try {
    await client.query('begin')
    const transaction = await ownTransaction(client)
    await prepareRoles(client, options.application)
    const applied: AppliedFile[] = []
    for (const module of modules) {
      await enter(client, module)
      const own = files.get(module.name) ?? []
      for (const file of own) {
        applied.push(await applyFile(client, file, options))
        if (await ownTransaction(client) !== transaction) throw failed('migration', `The migration ${nameOf(file)} ends its transaction: take its commit or rollback out, drop the database ${options.admin.database}, of which a part is made, and start again.`)
      }
      if (own.length > 0) await guardSharded(client, snakeName(module.name), module)
    }
    await grantSchemas(client, modules.map((module) => snakeName(module.name)), options.application.user)
    await client.query(options.dryRun ? 'rollback' : 'commit')
    return applied
  } catch (error) {
    await client.query('rollback').catch(() => { /* the connection is gone, and the transaction with it */ })
    if (isOutsideOnly(error)) return undefined
    throw error
  }
}

async function ownTransaction(client: pg.Client): Promise<string | undefined> {
  return (await client.query<{ id: string }>('select pg_current_xact_id()::text as id')).rows[0]?.id
}

async function wasMigrated(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('tenfold.migrations') is not null as there`)
  return rows[0]?.there === true && (await client.query('select from tenfold.migrations limit 1')).rowCount === 1
}

async function applyInUse(migration: Migration): Promise<AppliedFile[]> {
  const { client, options, modules } = migration
  const { clock = systemClock, random = systemRandom, onStatus = () => {}, locks = usualPatience, lag = usualLag } = options
  const patience: Patience = { ...locks, lag, clock, random, onStatus }
  const fresh = !await wasMigrated(client)
  const prepare = async () => { await prepareRoles(client, options.application); for (const module of modules) await enter(client, module) }
  if (!options.dryRun) await inTransaction(client, patience, prepare)
  const parted = await partAll(migration, fresh)
  const toJudge = parted.flatMap(({ pending }) => pending).some(({ directives }) => !directives.allow.has('unjudged'))
  if (!fresh && toJudge) refuseUnsafe(await judgePending(options.admin, options.application, random, parted))
  if (options.dryRun) return tryOut(migration, parted, patience, prepare)
  const applied: AppliedFile[] = []
  for (const module of parted) applied.push(...await applyModule(migration, module, patience))
  await patiently(client, 'of the platform (its grants)', patience, () => inTransaction(client, patience, () => grantSchemas(client, modules.map((module) => snakeName(module.name)), options.application.user)))
  return applied
}

async function partAll({ client, modules, files, options }: Migration, fresh: boolean): Promise<ModuleFiles[]> {
  const parted: ModuleFiles[] = []
  for (const module of modules) parted.push({ module, ...partFiles(module.name, files.get(module.name) ?? [], fresh ? [] : await appliedRows(client, module.name), options.starting ? 'allow' : 'refuse') })
  return parted
}

async function applyModule({ client, options }: Migration, { module, pending }: ModuleFiles, patience: Patience): Promise<AppliedFile[]> {
  const applied: AppliedFile[] = []
  for (const [nth, file] of pending.entries()) {
    const older = file.directives.contract === undefined || module === platform ? [] : await olderThan(client, file, 'look')
    if (older.length > 0 && options.starting && nth === pending.length - 1) {
      patience.onStatus(`${nameOf(file)} is left for later, since ${whoIsOlder(older)}: tenfold migrate applies it once they have left`)
      break
    }
    if (older.length > 0) throw contractFault(file, older)
    options.onFile?.({ module: module.name, file: file.file })
    await client.query(`reset all; set search_path to ${pg.escapeIdentifier(snakeName(module.name))}`) // what the file before it has set was meant for that one
    const noteApplied = async () => { await guardSharded(client, snakeName(module.name), module); await noteFile(client, file) }
    if (file.backfill) await runBackfill(client, file, patience, noteApplied)
    else await applyAlone(client, file, patience, noteApplied)
    applied.push({ module: module.name, file: file.file })
  }
  return applied
}

/** One file in one transaction, or statement by statement where it must be. */
async function applyAlone(client: pg.Client, file: MigrationFile, patience: Patience, noteApplied: () => Promise<void>): Promise<void> {
  try {
    await patiently(client, nameOf(file), patience, () => inTransaction(client, patience, async () => {
      if (file.directives.contract !== undefined && file.module !== platform.name) {
        const older = await olderThan(client, file, 'lock')
        if (older.length > 0) throw contractFault(file, older)
      }
      await runFile(client, file, patience)
      await noteApplied()
    }))
  } catch (error) {
    if (!isOutsideOnly(error)) throw error
    await runOutside(client, file, patience, noteApplied)
  }
}

/** As far as one transaction goes: what stands outside one was tried on the scratch copy, and so was what comes behind it. */
async function tryOut({ client, options: { onFile } }: Migration, parted: readonly ModuleFiles[], patience: Patience, prepare: () => Promise<void>): Promise<AppliedFile[]> {
  const pending = parted.flatMap((one) => one.pending)
  try {
    await client.query(`begin; set local lock_timeout = ${patience.lockTimeoutMs}`)
    await prepare()
    for (const { module, pending: own } of parted) {
      await client.query(`set local search_path to ${pg.escapeIdentifier(snakeName(module.name))}`)
      for (const file of own) {
        if (file.backfill) return pending
        onFile?.({ module: module.name, file: file.file })
        await runFile(client, file)
      }
      if (own.length > 0) await guardSharded(client, snakeName(module.name), module)
    }
    return pending
  } catch (error) {
    if (isOutsideOnly(error)) return pending
    throw error
  } finally {
    await client.query('rollback')
  }
}

function contractFault(file: MigrationFile, older: readonly RunningVersion[]): Error {
  return failed('migration', `The migration ${nameOf(file)} takes away what older versions use, and ${whoIsOlder(older)}: let them leave (or wait 30 s after one was killed), and start again. Nothing of it was kept.`)
}

const whoIsOlder = (older: readonly RunningVersion[]) => `${older.length === 1 ? 'one process' : `${older.length} processes`} built without it still ${older.length === 1 ? 'runs' : 'run'} (${older.slice(0, 3).map(({ version, host, pid }) => `version ${version}, process ${pid} on ${host}`).join('; ')}${older.length > 3 ? '; ...' : ''})`

/**
 * Brings only the queue's tables into a database that is otherwise somebody else's, as whoever connects: the same file as the whole
 * platform applies, noted in the same place, so that the one can follow on the other. Errors: `migration`.
 */
export async function migrateJobs(connection: Connection): Promise<void> {
  const files = (await readFiles(platform)).filter(({ file }) => file === '001-runs.sql')
  const client = new pg.Client({ ...clientOptions(connection), options: '-c TimeZone=UTC' })
  await client.connect()
  try {
    await lockMigrations(client, {})
    await client.query('begin; create schema if not exists tenfold')
    await enter(client, platform)
    const rows = (await appliedRows(client, platform.name)).filter(({ file }) => files.some((one) => one.file === file))
    for (const file of partFiles(platform.name, files, rows, 'refuse').pending) await applyFile(client, file, {})
    await client.query('commit')
  } finally {
    await client.end()
  }
}

async function enter(client: pg.Client, module: MigratedModule): Promise<void> {
  const schema = pg.escapeIdentifier(snakeName(module.name))
  await client.query(`create schema if not exists ${schema}; set local search_path to ${schema}`)
  await client.query('create table if not exists tenfold.migrations (module text, file text, checksum text not null, applied_at timestamptz not null default now(), primary key (module, file))')
}

async function appliedRows(client: pg.Client, module: string): Promise<{ file: string; checksum: string }[]> {
  return (await client.query<{ file: string; checksum: string }>('select file, checksum from tenfold.migrations where module = $1 order by file collate "C"', [module])).rows
}

async function applyFile(client: pg.Client, file: MigrationFile, { onFile }: Pick<MigrateOptions, 'onFile'>): Promise<AppliedFile> {
  onFile?.({ module: file.module, file: file.file })
  await runFile(client, file)
  await noteFile(client, file)
  return { module: file.module, file: file.file }
}

/** `patience`: how long each statement waits for its locks, whatever the one before it has set, unless the file says why that is right. */
async function runFile(client: pg.Client, file: MigrationFile, patience?: Patience): Promise<void> {
  const { allow } = file.directives
  const whole = !patience || allow.has('setting') || allow.has('unjudged')
  try {
    for (const text of whole ? [file.sql] : (await parseStatements(file.sql, nameOf(file))).map((statement) => statement.text)) {
      if (!whole) await client.query(`set local lock_timeout = ${patience.lockTimeoutMs}`)
      await client.query(text)
    }
  } catch (cause) {
    if (isOutsideOnly(cause) || isLockLost(cause) || isTenfoldError(cause)) throw cause
    throw failed('migration', `The migration ${nameOf(file)} failed: ${(cause as Error).message}. Nothing of it was kept: correct the file and start again.`, { cause })
  }
}

async function noteFile(client: pg.Client, { module, file, checksum, directives }: MigrationFile): Promise<void> {
  await client.query('insert into tenfold.migrations (module, file, checksum) values ($1, $2, $3)', [module, file, checksum])
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('tenfold.unfinished') is not null as there`)
  if (rows[0]?.there !== true) return
  await client.query('delete from tenfold.unfinished where module = $1 and file = $2', [module, file])
  if (directives.contract !== undefined) await client.query('insert into tenfold.contracts (module, file) values ($1, $2) on conflict do nothing', [module, file])
}

async function createDatabase(admin: Connection): Promise<void> {
  const client = new pg.Client(clientOptions(inDatabase(admin, 'postgres')))
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [admin.database])
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(admin.database)}`)
  } finally {
    await client.end()
  }
}
