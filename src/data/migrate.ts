import { hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { ModuleDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import { snakeName } from './builder.ts'
import { grantSchemas, guardSharded, prepareRoles } from './guards.ts'
import { clientOptions, type Connection } from './pool.ts'

export interface MigrateOptions {
  /** A role that may create schemas and roles. */
  readonly admin: Connection
  /** The role that the application runs as, made when it is missing. */
  readonly application: { readonly user: string; readonly password: string }
  readonly modules: Iterable<Pick<ModuleDefinition, 'name' | 'migrations' | 'shardKey'>>
  /** Runs everything, then rolls it back. */
  readonly dryRun?: boolean
  /** Makes the database when it is not there. */
  readonly create?: boolean
  readonly onFile?: (file: AppliedFile) => void
}
export interface AppliedFile { readonly module: string; readonly file: string }

interface MigrationFile { module: string; file: string; sql: string; checksum: string }

const platform = { name: 'tenfold', migrations: new URL('./migrations/', import.meta.url), shardKey: undefined }
/** One migration of one database at a time, whoever starts it. */
const lockKey = 7_010_077

/**
 * Brings one database to what its modules' files say: forward only, each file once, all in one transaction, under an advisory lock.
 * Answers the files that were applied. Errors: `migration`, with the file's name: one that was changed or lost after it was
 * applied, one that fails, a table of a sharded module without its bucket.
 */
export async function migrate(options: MigrateOptions): Promise<AppliedFile[]> {
  const modules = [platform, ...[...options.modules].toSorted((a, b) => (a.name < b.name ? -1 : 1))]
  const files = new Map(await Promise.all(modules.map(async (module) => [module.name, await readFiles(module)] as const)))
  if (options.create) await createDatabase(options.admin)
  const client = new pg.Client({ ...clientOptions(options.admin), options: '-c TimeZone=UTC' }) // migrations may take their time: no statement limit
  await client.connect()
  try {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [lockKey])
    await prepareRoles(client, options.application)
    const applied: AppliedFile[] = []
    for (const module of modules) applied.push(...await migrateModule(client, module, files.get(module.name) ?? [], options.onFile))
    await grantSchemas(client, modules.map((module) => snakeName(module.name)), options.application.user)
    await client.query(options.dryRun ? 'rollback' : 'commit')
    return applied
  } finally {
    await client.end()
  }
}

/**
 * Brings only the queue's tables into a database that is otherwise somebody else's, as whoever connects: the same file as the whole
 * platform applies, noted in the same place, so that the one can follow on the other. Errors: `migration`.
 */
export async function migrateJobs(connection: Connection): Promise<void> {
  const files = (await readFiles(platform)).filter(({ file }) => file === '001-runs.sql')
  const client = new pg.Client({ ...clientOptions(connection), options: '-c TimeZone=UTC' })
  await client.connect()
  try {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [lockKey])
    await client.query('create schema if not exists tenfold')
    await migrateModule(client, platform, files, undefined, { partly: true })
    await client.query('commit')
  } finally {
    await client.end()
  }
}

async function migrateModule(client: pg.Client, module: Pick<ModuleDefinition, 'name' | 'shardKey'>, files: readonly MigrationFile[], onFile: MigrateOptions['onFile'], { partly = false } = {}): Promise<AppliedFile[]> {
  const schema = snakeName(module.name)
  await client.query(`create schema if not exists "${schema}"; set local search_path to "${schema}"`)
  await client.query('create table if not exists tenfold.migrations (module text, file text, checksum text not null, applied_at timestamptz not null default now(), primary key (module, file))')
  const { rows } = await client.query<{ file: string; checksum: string }>('select file, checksum from tenfold.migrations where module = $1 order by file', [module.name])
  const pending = pendingFiles(module.name, files, partly ? rows.filter(({ file }) => files.some((one) => one.file === file)) : rows)
  for (const file of pending) {
    onFile?.({ module: module.name, file: file.file })
    try {
      await client.query(file.sql)
    } catch (cause) {
      throw failed('migration', `The migration ${module.name}/${file.file} failed: ${(cause as Error).message}. Nothing of it was kept: correct the file and start again.`, { cause })
    }
    await client.query('insert into tenfold.migrations (module, file, checksum) values ($1, $2, $3)', [module.name, file.file, file.checksum])
  }
  if (pending.length > 0) await guardSharded(client, schema, module)
  return pending.map(({ file }) => ({ module: module.name, file }))
}

function pendingFiles(module: string, files: readonly MigrationFile[], applied: readonly { file: string; checksum: string }[]): MigrationFile[] {
  for (const { file, checksum } of applied) {
    const now = files.find((candidate) => candidate.file === file)
    if (!now) throw failed('migration', `The migration ${module}/${file} was applied to this database and is missing now: put the file back.`)
    if (now.checksum !== checksum) throw failed('migration', `The migration ${module}/${file} was changed after it was applied: restore it, and write what is new in a file of its own.`)
  }
  const last = applied.at(-1)?.file ?? ''
  const pending = files.filter(({ file }) => !applied.some((row) => row.file === file))
  const late = pending.find(({ file }) => file < last)
  if (late) throw failed('migration', `The migration ${module}/${late.file} sorts before ${last}, which was already applied: give it a later name.`)
  return pending
}

async function readFiles(module: { name: string; migrations: URL }): Promise<MigrationFile[]> {
  const folder = fileURLToPath(module.migrations)
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [] // a module without tables needs no folder
    throw failed('migration', `The migrations of ${module.name} in ${folder} cannot be read: ${cause.message}.`, { cause })
  })
  return Promise.all(names.filter((name) => name.endsWith('.sql')).toSorted().map(async (file) => {
    const sql = await readFile(`${folder}/${file}`, 'utf8')
    return { module: module.name, file, sql, checksum: hash('sha256', sql.replaceAll('\r\n', '\n')) }
  }))
}

async function createDatabase(admin: Connection): Promise<void> {
  const client = new pg.Client({ ...clientOptions({ ...admin, database: 'postgres' }) })
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [admin.database])
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(admin.database)}`)
  } finally {
    await client.end()
  }
}
