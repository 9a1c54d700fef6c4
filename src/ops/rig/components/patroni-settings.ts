/** What a member of the cluster is told: a pure function, so that what must never be otherwise can be tested. */
import type { FullPostgres } from '../full-postgres.ts'

export interface ClusterPasswords {
  /** Of the user `postgres`. */
  readonly superuser: string
  readonly replication: string
  /** For what changes something by Patroni's REST. */
  readonly rest: string
}

export interface MemberSettings {
  /** Of the cluster: stands in the command line of each of its servers. */
  readonly scope: string
  readonly name: string
  /** `host:port`. */
  readonly etcd: string
  readonly port: number
  readonly restPort: number
  readonly postgres: FullPostgres
  /** Made with the cluster. */
  readonly database: string
  readonly passwords: ClusterPasswords
  /** By which the cluster's log is received; undefined: it is not. */
  readonly logSlot: string | undefined
}

/** Patroni's user for itself, as it calls it. */
export const restUser = 'tenfold'

/**
 * What all members agree on; told again at every start, so that nobody's `patronictl edit-config` outlives it.
 *
 * Synchronous: a commit is acknowledged when a second server has it on its disk, and nobody else takes over. Not `strict`: when both
 * replicas are gone the primary goes on alone, with its word on one disk, rather than refuse; none of the others takes over then until it
 * has caught up. The times make a failover some 5 s; shorter ones made leaders fall for a slow moment. A primary that crashes hands
 * over at once (`primary_start_timeout` 0), since who takes over lacks nothing.
 */
export const clusterSettings = {
  ttl: 5, loop_wait: 1, retry_timeout: 2, primary_start_timeout: 0, maximum_lag_on_failover: 1_048_576,
  synchronous_mode: true, synchronous_mode_strict: false, synchronous_node_count: 1, failsafe_mode: true,
  postgresql: {
    use_pg_rewind: true, use_slots: true,
    parameters: {
      max_connections: 100, shared_buffers: '64MB', wal_level: 'logical', max_wal_senders: 10, max_replication_slots: 10, hot_standby: 'on', wal_log_hints: 'on',
      wal_keep_size: '256MB', max_slot_wal_keep_size: '2GB', wal_retrieve_retry_interval: '200ms', synchronous_commit: 'on', jit: 'off',
      shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.max': 1000, // what `tenfold db top` reads
      timezone: 'UTC', log_timezone: 'UTC', log_min_messages: 'warning', log_line_prefix: '%m [%p] ',
    },
  },
} as const

/**
 * The same, with a slot that is not Patroni's to drop: who receives the log keeps it on each member, since before its version 3.2 a physical slot of Patroni's own is made anew at a failover, and what
 * waited for the store is not kept. Without backups there is none.
 */
export function agreedSettings(logSlot: string | undefined): object {
  return { ...clusterSettings, ignore_slots: logSlot === undefined ? null : [{ name: logSlot, type: 'physical' }] }
}

/** The configuration of one member, which Patroni reads as YAML: JSON is some. */
export function memberSettings({ scope, name, etcd, port, restPort, postgres: { bin, major }, database, passwords, logSlot }: MemberSettings): object {
  const [rest, server] = [`127.0.0.1:${restPort}`, `127.0.0.1:${port}`]
  return {
    scope, name, etcd3: { hosts: etcd }, watchdog: { mode: 'off' }, // a device of a whole machine; ours is the watcher (`memberComponent`)
    restapi: { listen: rest, connect_address: rest, authentication: { username: restUser, password: passwords.rest } },
    bootstrap: {
      dcs: agreedSettings(logSlot),
      initdb: [{ encoding: 'UTF8' }, ...locale(major), { 'auth-host': 'scram-sha-256' }, { 'auth-local': 'scram-sha-256' }, 'data-checksums'],
      post_init: `${bin}/psql --no-psqlrc -v ON_ERROR_STOP=1 -c 'create database "${database}"' -d`, // Patroni adds where
    },
    postgresql: {
      listen: server, connect_address: server, bin_dir: bin, data_dir: dataName, pgpass: 'pgpass',
      authentication: { superuser: { username: 'postgres', password: passwords.superuser }, replication: { username: 'replicator', password: passwords.replication } },
      pg_hba: ['host all all 127.0.0.1/32 scram-sha-256', 'host replication all 127.0.0.1/32 scram-sha-256'],
      parameters: { unix_socket_directories: '' },
      basebackup: [{ checkpoint: 'fast' }],
      remove_data_directory_on_rewind_failure: true, remove_data_directory_on_diverged_timelines: true, // it lacks nothing that was acknowledged, and is cloned anew
    },
  }
}

/** In a member's directory: what Postgres calls its data directory. */
export const dataName = 'postgres'

/** As the embedded Postgres sorts and compares, as nearly as that version can. */
function locale(major: number): object[] {
  if (major >= 17) return [{ 'locale-provider': 'builtin' }, { 'builtin-locale': 'C.UTF-8' }]
  return process.platform === 'darwin' ? [{ 'lc-collate': 'C' }, { 'lc-ctype': 'UTF-8' }] : [{ locale: 'C.UTF-8' }]
}
