import pg from 'pg'
import { failed } from '../base/index.ts'
import { databaseFault } from './faults.ts'
import { columnTypes } from './types.ts'

export interface Address { readonly host: string; readonly port: number }

/** Where a Postgres is and who we are there. */
export interface Connection { /** More than one: the servers of one cluster, any of which may be the primary. */ readonly hosts?: readonly Address[]; readonly host: string; readonly port: number; readonly user: string; readonly password: string; readonly database: string; /** What a URL says beside these, such as `?sslmode=verify-full`; it goes to the driver as it is. */ readonly connectionString?: string; /** A transaction pooler stands there: it lends a server for a transaction only, and does not know what was prepared on which. */ readonly pooled?: boolean }

export interface PoolOptions {
  /** Connections at most. */
  readonly max: number
  /** How long a caller waits for one, in milliseconds. */
  readonly waitMs: number
}

/** Connections to one Postgres, handed out one at a time, with a bound on the wait. */
export interface ConnectionPool {
  readonly name: string
  /** Whether what is prepared on a connection is there when it is used again. */
  readonly prepares: boolean
  /** A connection of one's own until `release`; `broken` throws it away. Errors: `pool-exhausted`, `database-unavailable`. */
  take(): Promise<{ client: pg.PoolClient; release: (broken?: boolean) => void }>
  /** Something is amiss with the server: whoever knows of others looks for one. */
  suspect(): void
  /** From now on connections are made there; those that are open end as they come back. */
  move(to: Address): void
  usage(): { used: number; available: number; waiting: number; max: number }
  close(): Promise<void>
}

/** A statement as that pool can take it. */
export function sendable<S extends { readonly name?: string }>(pool: Pick<ConnectionPool, 'prepares'>, statement: S): Omit<S, 'name'> {
  if (pool.prepares || statement.name === undefined) return statement
  const { name: _unknownThere, ...plain } = statement
  return plain
}

export function clientOptions({ pooled: _pooled, hosts, connectionString, ...connection }: Connection, readOnly = false): pg.ClientConfig {
  return {
    // One host of several is said beside the URL, which says the rest, such as `?sslmode=verify-full`.
    ...connection, ...(connectionString === undefined ? {} : { connectionString: hosts ? atHost(connectionString, connection) : connectionString }), types: columnTypes, application_name: 'tenfold', keepAlive: true, connectionTimeoutMillis: 5_000,
    // The role itself carries the rest (data/guards.ts): a pooler between would drop what is said here.
    ...(readOnly ? { options: '-c default_transaction_read_only=on' } : {}),
  }
}

/** The URL of several hosts, as one of that host alone. */
function atHost(url: string, { host, port }: Address): string {
  return url.replace(/^(\w+:\/\/(?:[^@/]*@)?)[^/?]+/, (_all, before: string) => `${before}${host}:${port}`)
}

function ignore(): void { /* its next statement says so */ }

/** `suspected` is told when a connection could not be had, or broke. */
export function createPool(name: string, connection: Connection, options: PoolOptions, suspected: () => void = () => {}): ConnectionPool {
  const open = (to: Address) => {
    const made = new pg.Pool({ ...clientOptions({ ...connection, ...to }), max: options.max, connectionTimeoutMillis: options.waitMs, idleTimeoutMillis: 30_000, pipeline: true } as pg.PoolConfig)
    made.on('error', () => { /* an idle connection that broke is replaced at the next take */ })
    return made
  }
  let pool = open(connection)
  const usage = () => ({ used: pool.totalCount - pool.idleCount, available: options.max - pool.totalCount + pool.idleCount, waiting: pool.waitingCount, max: options.max })
  return {
    name, usage, suspect: suspected, prepares: connection.pooled !== true,
    async take() {
      try {
        const client = await pool.connect()
        // pg-pool listens only while a client is idle: one that breaks while it is lent out would end the process.
        client.on('error', ignore)
        return { client, release: (broken = false) => { client.off('error', ignore); client.release(broken); if (broken) suspected() } }
      } catch (error) {
        if (error instanceof Error && /timeout exceeded when trying to connect/.test(error.message)) {
          suspected()
          const { used, max, waiting } = usage()
          throw failed('pool-exhausted', `No connection to ${name} became free in ${options.waitMs} ms: ${used} of ${max} are in use, and ${waiting} more ${waiting === 1 ? 'caller waits' : 'callers wait'}; shorten transactions, or raise the pool's max.`, { data: usage(), retryAfterMs: options.waitMs, cause: error })
        }
        suspected()
        throw databaseFault(error, name)
      }
    },
    move(to) {
      const before = pool
      pool = open(to)
      before.end().catch(() => { /* what it still lends out ends when it comes back */ })
    },
    close: () => pool.end(),
  }
}
