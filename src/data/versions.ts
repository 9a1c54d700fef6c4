import { failed } from '../base/index.ts'
import { type MigratedModule, nameOf, platform, readFiles } from './migration-files.ts'

/**
 * Who runs now, and what each was built with: a process says so when it starts, again every `beatEveryMs`, and takes it back when it leaves.
 * A process is older than a migration when it was built without it; while one lives, no contract step of that migration runs. One that is
 * killed counts as alive for `silentAfterMs` more. Times are the database's own.
 */
export interface RunningVersion { readonly process: string; readonly version: string; readonly host: string; readonly pid: number; readonly files: readonly string[]; readonly startedAt: string }

export const beatEveryMs = 5_000
const silentAfterMs = 30_000
const alive = `seen_at > now() - interval '${silentAfterMs} milliseconds'`

/** A connection to the database, or whatever else takes one statement: the primary's, of each database that the process uses. */
export interface Asking { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> }

/** The migration files that this process was built with, as `module/file`: read them once, at start. */
export async function builtWith(modules: Iterable<MigratedModule>): Promise<string[]> {
  return (await Promise.all([platform, ...modules].map(readFiles))).flat().map(nameOf).toSorted()
}

/**
 * Says that this process runs: once the database is migrated and before it serves anything, and again every `beatEveryMs`. It waits for a
 * contract step that is under way. Errors: `migration`, when one has taken away what a process built with these files still uses; so it
 * was silent for too long, or comes too late, and ends.
 */
export async function registerVersion(client: Asking, about: Omit<RunningVersion, 'startedAt'>): Promise<void> {
  await client.query(`insert into tenfold.versions (process, version, host, pid, files) values ($1, $2, $3, $4, $5)
    on conflict (process) do update set version = excluded.version, host = excluded.host, pid = excluded.pid, files = excluded.files, seen_at = now()`, [about.process, about.version, about.host, about.pid, about.files])
  await client.query(`delete from tenfold.versions where seen_at < now() - interval '1 day'`)
  const { rows } = await client.query(`select module || '/' || file as name from tenfold.contracts where not module || '/' || file = any ($1) order by 1 limit 1`, [about.files])
  const [contract] = rows as { name: string }[]
  if (contract === undefined) return
  await leaveVersions(client, about.process)
  throw failed('migration', `This version is older than its database: ${contract.name} has taken away what it may still use. Start the version that has this file.`)
}

export async function leaveVersions(client: Asking, process: string): Promise<void> {
  await client.query('delete from tenfold.versions where process = $1', [process])
}

export async function runningVersions(client: Asking): Promise<RunningVersion[]> {
  return (await client.query(`select process, version, host, pid, files, started_at::text as "startedAt" from tenfold.versions where ${alive} order by started_at`)).rows as RunningVersion[]
}

/** Those that were built without that file. In a transaction that is about to contract: nobody registers until it ends. */
export async function olderThan(client: Asking, file: { module: string; file: string }, lock: 'lock' | 'look'): Promise<RunningVersion[]> {
  if (lock === 'lock') await client.query('lock table tenfold.versions in share row exclusive mode')
  return (await runningVersions(client)).filter(({ files }) => !files.includes(nameOf(file)))
}
