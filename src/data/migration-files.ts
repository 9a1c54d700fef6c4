import { hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { ModuleDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import { type Directives, readDirectives } from './judge/directives.ts'
import { sqlText } from './judge/parse.ts'
import { rules } from './judge/verdict.ts'

export interface MigrationFile {
  readonly module: string
  readonly file: string
  readonly sql: string
  readonly checksum: string
  /** One statement that runs batch by batch. */
  readonly backfill: boolean
  readonly directives: Directives
}
export type MigratedModule = Pick<ModuleDefinition, 'name' | 'migrations' | 'shardKey'>

/** The platform's own tables are a module like any other. */
export const platform: MigratedModule = { name: 'tenfold', migrations: new URL('./migrations/', import.meta.url), shardKey: undefined }

export const nameOf = ({ module, file }: { module: string; file: string }) => `${module}/${file}`

/** A file as a migration of that module. Errors: `migration`, for bytes that are no text and directives that are not understood. */
export function migrationFile(module: string, file: string, bytes: Uint8Array): MigrationFile {
  const name = `${module}/${file}`
  const sql = sqlText(bytes, name)
  return { module, file, sql, checksum: hash('sha256', sql.replaceAll('\r\n', '\n')), backfill: file.endsWith('.backfill.sql'), directives: readDirectives(sql, name, rules) }
}

/** The SQL files of a module's folder, in the order of their names. Errors: `migration`. */
export async function readFiles(module: Pick<MigratedModule, 'name' | 'migrations'>): Promise<MigrationFile[]> {
  const folder = fileURLToPath(module.migrations)
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [] // a module without tables needs no folder
    throw failed('migration', `The migrations of ${module.name} in ${folder} cannot be read: ${cause.message}.`, { cause })
  })
  return Promise.all(names.filter((name) => name.endsWith('.sql')).toSorted().map(async (file) => migrationFile(module.name, file, await readFile(`${folder}/${file}`))))
}

/** The files of one module, parted by whether this database has had them. */
export interface Parted { readonly applied: readonly MigrationFile[]; readonly pending: readonly MigrationFile[] }

/**
 * `newer: 'allow'` takes a database that a newer version has migrated as it is: what that version added is not known here, and nothing
 * is to be done. Errors: `migration`, for a file that was changed, lost, or put before one that was applied.
 */
export function partFiles(module: string, files: readonly MigrationFile[], rows: readonly { file: string; checksum: string }[], newer: 'allow' | 'refuse'): Parted {
  const last = files.at(-1)?.file ?? ''
  const known = newer === 'allow' && files.length > 0 ? rows.filter(({ file }) => file <= last || files.some((one) => one.file === file)) : rows
  for (const { file, checksum } of known) {
    const now = files.find((candidate) => candidate.file === file)
    if (!now) throw failed('migration', `The migration ${module}/${file} was applied to this database and is missing now: put the file back.`)
    if (now.checksum !== checksum) throw failed('migration', `The migration ${module}/${file} was changed after it was applied: restore it, and write what is new in a file of its own.`)
  }
  const lastApplied = rows.at(-1)?.file ?? ''
  const pending = files.filter(({ file }) => !rows.some((row) => row.file === file))
  const late = pending.find(({ file }) => file < lastApplied)
  if (late) throw failed('migration', `The migration ${module}/${late.file} sorts before ${lastApplied}, which was already applied: give it a later name.`)
  return { applied: files.filter((file) => !pending.includes(file)), pending }
}
