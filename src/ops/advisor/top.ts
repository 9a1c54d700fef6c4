import type pg from 'pg'
import { failed } from '../../base/errors.ts'
import { databaseFault } from '../../data/index.ts'

/** A statement as pg_stat_statements counts it: its text without values, and what all of its calls took together. */
export interface CountedStatement {
  /** The procedure that sends it; `tenfold (...)` for the platform's own; undefined where it says nothing of itself. */
  readonly name: string | undefined
  readonly text: string
  readonly calls: number
  readonly totalMs: number
  readonly meanMs: number
  readonly maxMs: number
  /** Of all time spent in statements on this database, 0 to 1. */
  readonly share: number
  readonly rows: number
  /** Of the pages that it read, 0 to 1: found in Postgres' memory. */
  readonly hitShare: number
  readonly temporaryBytes: number
}

const text = `
  select s.query as text, sum(s.calls)::float8 as calls, sum(s.total_exec_time) as total, max(s.max_exec_time) as max, sum(s.rows)::float8 as rows,
    sum(s.shared_blks_hit)::float8 as hit, sum(s.shared_blks_read)::float8 as read, sum(s.temp_blks_written)::float8 * 8192 as temporary
  from pg_stat_statements s where s.dbid = (select oid from pg_database where datname = current_database()) and s.query is not null group by s.queryid, s.query`

interface Row { text: string; calls: number; total: number; max: number; rows: number; hit: number; read: number; temporary: number }

/** The dearest by total time on all of these servers, each of which counts for itself, most first. Errors: `start`, where nothing is counted or may not be seen, with what to do about it. */
export async function countedStatements(servers: readonly pg.Client[], database: string): Promise<CountedStatement[]> {
  const found = (await Promise.all(servers.map((server) => countedOn(server, database)))).flat()
  const whole = found.reduce((sum, { total }) => sum + total, 0)
  return Array.from(Map.groupBy(found, (row) => row.text).values(), together).map((row) => ({
    name: nameIn(row.text), text: row.text, calls: row.calls, totalMs: row.total, meanMs: row.total / Math.max(row.calls, 1), maxMs: row.max, share: whole > 0 ? row.total / whole : 0, rows: row.rows,
    hitShare: row.hit + row.read > 0 ? row.hit / (row.hit + row.read) : 1, temporaryBytes: row.temporary,
  })).filter(({ text: own }) => !isOurs(own)).toSorted((one, other) => other.totalMs - one.totalMs)
}

async function countedOn(server: pg.Client, database: string): Promise<Row[]> {
  const { rows } = await server.query<Row>(text).catch((error: unknown) => { throw countingFault(error, database) })
  if (rows.some((row) => row.text === '<insufficient privilege>')) throw failed('start', `This user may not see the statements of others on ${database}: as an administrator run grant pg_read_all_stats to the user, or connect as another.`)
  return rows
}

function together(rows: readonly Row[]): Row {
  return rows.reduce((one, other) => ({
    text: one.text, calls: one.calls + other.calls, total: one.total + other.total, max: Math.max(one.max, other.max), rows: one.rows + other.rows, hit: one.hit + other.hit, read: one.read + other.read, temporary: one.temporary + other.temporary,
  }))
}

function countingFault(error: unknown, database: string): unknown {
  const { code } = error as { code?: string }
  if (code === '42P01') return failed('start', `Statements are not counted on ${database}: as an administrator run create extension pg_stat_statements there (and see that shared_preload_libraries names it, which needs a restart).`, { cause: error })
  if (code === '55000') return failed('start', `Statements are not counted on ${database}: put pg_stat_statements into shared_preload_libraries and restart the server; tenfold's own Postgres has it from its next start on.`, { cause: error })
  if (code === '42501') return failed('start', `This user may not see how often statements ran on ${database}: as an administrator run grant pg_read_all_stats to the user.`, { cause: error })
  return databaseFault(error, database)
}

/** What `tenfold db` itself asks, and what belongs to no statement of an application. */
function isOurs(query: string): boolean { return /\bpg_(stat|class|index|namespace|attribute|settings|roles|advisory|available|database|replication|partition|constraint)|^\s*(explain|prepare|deallocate|begin|commit|rollback|savepoint|release|set|reset|show|create|drop|analyze|vacuum|listen|copy)\b/i.test(query) }

/** Who sends it: the procedure says so in a comment (sqlcommenter's form); the platform's own work on its own tables. */
export function nameIn(query: string): string | undefined {
  const [, action] = /\/\*action='([^']+)'\*\//.exec(query) ?? []
  if (action !== undefined) return decodeURIComponent(action)
  const [, table] = /\btenfold\.(\w+)/.exec(query) ?? []
  return table !== undefined ? `tenfold (${table})` : /^\s*select set_config\(/.test(query) ? 'tenfold (opening)' : /pg_current_wal_lsn|pg_last_wal_replay_lsn|pg_control_system/.test(query) ? 'tenfold (position)' : undefined
}
