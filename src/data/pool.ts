import pg from 'pg'
import { failed } from '../base/index.ts'
import { cut } from './burst.ts'
import { databaseFault } from './faults.ts'
import { columnTypes } from './types.ts'
import { heedWarnings, wasUnreplicated } from './unreplicated.ts'

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
  /** From now on connections are made there. Those that are open are cut: a server that hangs would keep whoever waits on one for as long as it does. */
  move(to: Address): void
  /** Cuts its connections, for one that has fallen silent: what waits on them is lost, what comes next connects anew. */
  reset(): void
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
    const connections = new Set<pg.PoolClient>()
    made.on('connect', (client) => { connections.add(client); heedWarnings(client) })
    made.on('remove', (client) => connections.delete(client))
    made.on('error', () => { /* an idle connection that broke is replaced at the next take */ })
    return { made, address: to, cutAll() { for (const client of connections) cut(client) } }
  }
  let current = open(connection)
  const move = (to: Address) => {
    const before = current
    current = open(to)
    before.cutAll()
    before.made.end().catch(() => { /* nobody waits for it */ })
  }
  const usage = () => {
    const { totalCount, idleCount, waitingCount } = current.made
    return { used: totalCount - idleCount, available: options.max - totalCount + idleCount, waiting: waitingCount, max: options.max }
  }
  /** One that was on its way when the pool moved is asked for once more, where it is now. */
  const take = async (isLast = false): ReturnType<ConnectionPool['take']> => {
    const from = current
    try {
      const client = await from.made.connect()
      if (from !== current && !isLast) { client.release(true); return await take(true) }
      // pg-pool listens only while a client is idle: one that breaks while it is lent out would end the process.
      client.on('error', ignore)
      return { client, release: (broken = false) => { client.off('error', ignore); client.release(broken || wasUnreplicated(client)); if (broken) suspected() } }
    } catch (error) {
      if (from !== current && !isLast) return await take(true)
      if (error instanceof Error && /timeout exceeded when trying to connect/.test(error.message)) {
        suspected()
        const { used, max, waiting } = usage()
        throw failed('pool-exhausted', `No connection to ${name} became free in ${options.waitMs} ms: ${used} of ${max} are in use, and ${waiting} more ${waiting === 1 ? 'caller waits' : 'callers wait'}; shorten transactions, or raise the pool's max.`, { data: usage(), retryAfterMs: options.waitMs, cause: error })
      }
      suspected()
      throw databaseFault(error, name)
    }
  }
  return {
    name, usage, move, take: () => take(), suspect: suspected, prepares: connection.pooled !== true,
    reset() { move(current.address) },
    close: () => current.made.end(),
  }
}
