import pg from 'pg'
import { type Clock, failed } from '../../base/index.ts'
import { type PostgresAddress, sessionOptions } from '../rig/base-backup.ts'

/** What a backup says of the server that it is of. */
export interface ServerFacts {
  /** Of the database cluster, given at its making and kept by its copies. */
  readonly system: string
  readonly version: string
  readonly major: number
  readonly segmentBytes: number
  readonly nowMs: number
  /** Whom it was made with: a superuser. */
  readonly superuser: string
}

/** A session for an operator: as whom `server` says, in that database. Errors: `backup`. */
export async function adminSession(server: PostgresAddress, database?: string, { answerMs }: { /** How long an answer may take. */ answerMs?: number } = {}): Promise<pg.Client> {
  const { host, port } = server
  const session = new pg.Client({ ...sessionOptions(server, database), ...answerMs === undefined ? {} : { query_timeout: answerMs }, options: '-c TimeZone=UTC -c statement_timeout=0', application_name: 'tenfold backup' })
  session.on('error', () => {}) // whoever waits for an answer gets it too
  try {
    await session.connect()
  } catch (cause) {
    throw failed('backup', `The database at ${host}:${port} cannot be reached (${(cause as Error).message}): see whether it runs, or correct its address.`, { cause })
  }
  return session
}

/** Errors: `backup`, for a server that can't be backed up this way. */
export async function serverFacts(session: pg.Client): Promise<ServerFacts> {
  const { rows: [facts] } = await session.query<{ system: string; version: string; number: string; segment: string; tablespaces: string; now: Date; standby: boolean; superuser: string | null }>(`
    select (select system_identifier from pg_control_system())::text as system, current_setting('server_version') as version, current_setting('server_version_num') as number,
      (select setting from pg_settings where name = 'wal_segment_size') as segment, (select count(*) from pg_tablespace where spcname not in ('pg_default', 'pg_global'))::text as tablespaces,
      clock_timestamp() as now, pg_is_in_recovery() as standby,
      (select rolname from pg_roles where oid = 10) as superuser`)
  if (!facts) throw failed('internal', 'The server said nothing of itself.')
  const major = Math.floor(Number(facts.number) / 10_000)
  if (major < 15) throw failed('backup', `The server is Postgres ${facts.version}, and backups are made of 15 and later: upgrade it.`)
  if (facts.standby) throw failed('backup', 'The server is a standby: back up its primary.')
  if (facts.tablespaces !== '0') throw failed('backup', 'The database has tablespaces of its own, which a backup does not hold: move its tables to pg_default.')
  return { system: facts.system, version: facts.version.split(' ')[0] ?? '', major, segmentBytes: Number(facts.segment), nowMs: facts.now.getTime(), superuser: facts.superuser ?? 'postgres' }
}

/** Ends it; of a server that does not take leave within a second the connection is cut. */
export async function leaveSession(session: pg.Client, clock: Clock): Promise<void> {
  const ended = session.end().catch(() => { /* it was broken */ })
  const over = new AbortController()
  await Promise.race([ended, clock.sleep(1_000, over.signal)])
  over.abort()
}

/** On which it writes now. */
export async function currentTimeline(session: pg.Client): Promise<number> {
  const { rows: [at] } = await session.query<{ timeline: number }>(`select ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int as timeline`)
  return at?.timeline ?? 1
}
