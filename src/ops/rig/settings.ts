import { failed } from '../../base/errors.ts'

/** What a Postgres is set to: names as in `postgresql.conf`, memory and times with their unit (`64MB`, `150ms`). */
export type PostgresSettings = Readonly<Record<string, string | number>>

/** One small machine, reached only from itself, whose data can later be moved away by logical replication without a restart. */
const usual: PostgresSettings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 100,
  shared_buffers: '128MB',
  wal_level: 'logical',
  max_slot_wal_keep_size: '2GB', // a standby or a move that never comes back must not fill the disk
  io_method: 'sync', // three processes fewer than `worker`
  jit: 'off', // compiling costs more than our short statements
  shared_preload_libraries: 'pg_stat_statements', // what `tenfold db top` reads; 0.6 MB with so few statements remembered
  'pg_stat_statements.max': 1000,
  TimeZone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_line_prefix: '%m [%p] ',
}

/**
 * For tests: what was committed is lost when the machine goes down, and never when only Postgres does. That is why `synchronous_commit` stays on: without `fsync`
 * it costs nothing (off was half as fast here, for the writer that it wakes), and off would lose commits at a kill, and show them to a standby 200 ms later.
 */
const notDurable: PostgresSettings = { fsync: 'off', full_page_writes: 'off' }

/**
 * The text of `tenfold.conf`. It is a file, and not a command line, so that ALTER SYSTEM still has the last word.
 * Errors: `start`, for a name that can't be one.
 */
export function settingsFile(settings: PostgresSettings, { durable, major }: { durable: boolean; major: number }): string {
  const { io_method, ...older } = usual
  const lines = Object.entries({ ...older, ...major >= 18 ? { io_method } : {}, ...durable ? {} : notDurable, ...settings }).map(([name, value]) => {
    if (!/^[a-z_]\w*(\.[a-z_]\w*)?$/i.test(name)) throw failed('start', `Postgres knows no setting ${name}: take it out of the settings, or correct its name.`)
    return `${name} = ${quoted(value)}`
  })
  return `# Written by Tenfold at every start. What ALTER SYSTEM sets counts more.\n${lines.join('\n')}\n`
}

function quoted(value: string | number): string {
  return typeof value === 'number' ? String(value) : `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n')}'`
}

/** The value of `primary_conninfo`, in the form of libpq. */
export function connectionInfo(fields: Readonly<Record<string, string | number>>): string {
  return Object.entries(fields).map(([name, value]) => `${name}='${String(value).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`).join(' ')
}
