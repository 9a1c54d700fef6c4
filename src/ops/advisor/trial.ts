import { mkdtemp, readdir, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { failed, reasonOf } from '../../base/errors.ts'
import { removeDirectory } from '../../base/private-files.ts'
import { processStamp, waitFor } from '../../base/process.ts'
import type { Connection } from '../../data/index.ts'
import { findEngine } from '../rig/binaries.ts'
import { startPostgres } from '../rig/postgres.ts'
import type { PostgresSettings } from '../rig/settings.ts'
import { cloneAsStandby, startStandby } from '../rig/standby.ts'
import { connected } from './connected.ts'
import { statementsOf } from './parsing.ts'

/** A Postgres of our own that is thrown away: indexes are built and statements run there, and nowhere else. */
export interface Trial { readonly client: pg.Client; close(): Promise<void> }

export interface TrialOptions {
  readonly onStatus?: ((text: string) => void) | undefined
  /** Told to leave, whatever is under way here fails, and takes along what it made. */
  readonly signal?: AbortSignal | undefined
}

const prefix = 'tenfold-trial-'

/** An empty database in which a schema's statements have been run, its rows with them. Errors: `start`; `usage`, with the line that fails. */
export async function trialOfSchema(schema: readonly { readonly text: string; readonly where: string }[], { onStatus, signal }: TrialOptions = {}): Promise<Trial> {
  const sources = await Promise.all(schema.map(async ({ text, where }) => ({ where, statements: await statementsOf(text, where) })))
  return await inPlace(async (directory, later) => {
    const server = await startPostgres({ directory, durable: false, settings: quiet })
    later(() => server.stop())
    const client = await connected({ ...server, database: 'postgres' }, signal)
    later(() => client.end())
    onStatus?.('loading the schema and its rows into a Postgres of its own')
    for (const { where, statements } of sources) {
      for (const { text, line } of statements) {
        await client.query(text).catch((cause: unknown) => { throw failed('usage', `${where}, line ${line}, cannot be run: ${reasonOf(cause)}.`, { cause }) })
      }
    }
    await client.query('rollback') // of a BEGIN that was left open
    await client.query('vacuum analyze')
    return client
  })
}

/** Nothing but what is tried happens there, whatever it was copied from does. */
const quiet: PostgresSettings = { autovacuum: 'off', max_logical_replication_workers: 0, synchronous_standby_names: '', archive_mode: 'off', maintenance_work_mem: '256MB' }

/** Must not be less on a copy than where it comes from (Postgres manual, "Hot Standby"); and what the planner goes by must be the same. */
const inherited = [
  'max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction', 'shared_buffers', 'effective_cache_size', 'work_mem', 'random_page_cost', 'seq_page_cost',
  'cpu_tuple_cost', 'cpu_index_tuple_cost', 'cpu_operator_cost', 'default_statistics_target', 'max_parallel_workers_per_gather', 'max_parallel_workers', 'effective_io_concurrency', 'jit',
]

/**
 * A copy of a running server, byte by byte, with its statistics: nothing is built or run on the original, which is read once from end to
 * end. Errors: `start`, in a sentence: another version, too little room, a user that may not replicate.
 */
export async function trialOfCopy(live: Connection, { onStatus, signal }: TrialOptions = {}): Promise<Trial> {
  const original = await connected(live, signal)
  try {
    const settings = await assertCopyable(original, live)
    onStatus?.(`copying the database at ${live.host}:${live.port}, on which nothing is tried`)
    return await inPlace(async (directory, later) => {
      const slot = `tenfold_trial_${process.pid}`
      later(() => dropSlot(live, slot))
      await cloneAsStandby({ primary: live, directory, slot, durable: false, signal })
      signal?.throwIfAborted()
      const server = await startStandby({ primary: live, directory, slot, durable: false, settings: { ...settings, ...quiet } })
      later(() => server.stop())
      const client = await connected({ host: server.host, port: server.port, user: live.user, password: live.password, database: live.database }, signal)
      later(() => client.end())
      await client.query('select pg_promote(true, 60)')
      if (!await waitFor(async () => (await client.query('select 1 where not pg_is_in_recovery()')).rows[0], { timeoutMs: 60_000 })) throw failed('start', 'The copy of the database does not become one that can be written: try again.')
      await dropSlot(live, slot) // kept, it would keep the original's log from being removed
      // Of what was never looked at the planner knows nothing, here or there.
      await client.query(`do $$ declare name regclass; begin for name in select oid from pg_class where relkind in ('r', 'm') and reltuples < 0 and relnamespace::regnamespace::text not like 'pg!_%' escape '!' loop execute format('analyze %s', name); end loop; end $$`)
      return client
    })
  } finally {
    await original.end()
  }
}

async function assertCopyable(original: pg.Client, { host, port }: Connection): Promise<PostgresSettings> {
  const { rows: [server] } = await original.query<{ major: number; version: string; size: string; replicates: boolean }>(`
    select current_setting('server_version_num')::int / 10000 as major, current_setting('server_version') as version, (select sum(pg_database_size(oid)) from pg_database)::text as size, (select rolsuper or rolreplication from pg_roles where rolname = current_user) as replicates`)
  const { major } = await findEngine()
  const instead = 'install the extension hypopg there, or advise on a schema of its own: tenfold db advise --query SQL --schema SCHEMA.sql'
  if (server?.major !== major) throw failed('start', `The server at ${host}:${port} is Postgres ${server?.version}, and what copies it here is ${major}: ${instead}.`)
  if (!server.replicates) throw failed('start', `This user may not copy the server at ${host}:${port}: let it replicate (alter role ... replication), or ${instead}.`)
  const { bavail, bsize } = await statfs(tmpdir())
  if (bavail * bsize < Number(server.size) * 1.5) throw failed('start', `The copy of the server at ${host}:${port} needs ${Math.ceil(Number(server.size) * 1.5 / 1024 ** 2)} MB in ${tmpdir()}, where ${Math.floor(bavail * bsize / 1024 ** 2)} MB are free: free some, set TMPDIR to a larger disk, or ${instead}.`)
  const { rows } = await original.query<{ name: string; setting: string }>('select name, setting from pg_settings where name = any($1)', [inherited])
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
}

/** One that a killed process left goes too. */
async function dropSlot(live: Connection, slot: string): Promise<void> {
  const original = await connected(live)
  const drop = async () => {
    const { rows } = await original.query<{ slot_name: string }>(`select slot_name from pg_replication_slots where slot_name like 'tenfold!_trial!_%' escape '!' and (slot_name = $1 or not active)`, [slot])
    for (const { slot_name: name } of rows) {
      if (name !== slot && await processStamp(Number(name.split('_').at(-1))) !== undefined) continue
      if (!await original.query('select pg_drop_replication_slot($1)', [name]).then(() => true, () => false)) return undefined
    }
    return true
  }
  try {
    await waitFor(drop, { timeoutMs: 5_000, everyMs: 50 })
  } finally {
    await original.end()
  }
}

/** Whatever is asked to be done `later` is done at the end, last first: at a failure, and at `close`. */
async function inPlace(make: (directory: string, later: (work: () => Promise<unknown>) => void) => Promise<pg.Client>): Promise<Trial> {
  await sweep()
  const place = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`))
  const works: (() => Promise<unknown>)[] = [() => removeDirectory(place)]
  const close = async () => { for (let work = works.pop(); work; work = works.pop()) await work().catch(() => { /* gone already: the rest is to go too */ }) }
  try {
    return { client: await make(join(place, 'postgres'), (work) => works.push(work)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What a killed process left: its Postgres went with it, its files did not. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length).split('-')[0]) : undefined
    if (pid !== undefined && pid !== process.pid && await processStamp(pid) === undefined) await removeDirectory(join(tmpdir(), name)).catch(() => { /* somebody else's */ })
  }
}
