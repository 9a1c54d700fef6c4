/**
 * `tenfold/data`: the data tier alone, inside a service that is otherwise somebody else's: replicas by what the caller has seen, one
 * transaction that is run again when it loses against a neighbour, and a `pg.Pool` for whatever is there already (plain `pg`, Drizzle,
 * Kysely, Prisma's adapter).
 */
import type pg from 'pg'
import type { Reads, Writes } from '../app/index.ts'
import { backoffMs } from '../base/backoff.ts'
import { systemClock } from '../base/clock.ts'
import { type Duration, milliseconds } from '../base/units.ts'
import { failed } from '../base/errors.ts'
import { Positions } from '../base/positions.ts'
import { systemRandom } from '../base/random.ts'
import { resolveSecret } from '../base/secrets.ts'
import { writesOn } from './builder.ts'
import { createData as createTier, type Place } from './data.ts'
import { isContention, isStalePlan, stalePlansMax } from './faults.ts'
import { PipelinedPool } from './pipelined-pool.ts'
import { connectionOf } from './url.ts'

export interface StandaloneDataOptions {
  /** `postgres://user:password@host:5432/database`, or where that is said: `env:DATABASE_URL`. */
  readonly primary: string
  readonly replicas?: readonly string[]
  /** Of each of: reads, writes, and the `pg`-compatible pool. 10 connections at most and 2,000 ms of waiting for one unless told. */
  readonly pool?: { readonly max: number; readonly waitMs: number }
  /** The Postgres schema that unqualified names mean; `public` unless told. */
  readonly schema?: string
  /** 32 bytes or more that sign what callers carry, the same in every process; needed with replicas. Such as `env:SECRET`. */
  readonly secret?: string
}

export interface SeenOptions {
  /** What the caller sent: what an earlier answer gave it as `consistency`. */
  readonly seen?: string | undefined
  /** 5 s unless told. */
  readonly timeout?: Duration
}

export interface StandaloneData<Tables> {
  /** Reads in a transaction that cannot write, on the nearest copy that has what the caller has seen. Errors: `timeout`, `pool-exhausted`, `database-unavailable`, the driver's. */
  read<T>(work: (db: Reads<Tables>) => Promise<T>, options?: SeenOptions): Promise<T>
  /**
   * One transaction. It is run again, seven times at most, when Postgres says that it could not be serialised, so it has no effect
   * outside the database. `consistency` is what the caller has seen from now on: let it come back as `seen`. Errors: as of `read`,
   * `contention`, `outcome-unknown`.
   */
  write<T>(work: (db: Writes<Tables>) => Promise<T>, options?: SeenOptions & { readonly isolation?: 'repeatable read' | 'read committed' }): Promise<{ answer: T; consistency: string }>
  /** As `pg.Pool`, for what is there already: a lone SELECT is pipelined and prepared, all else is as ever. */
  readonly pool: pg.Pool
  close(): Promise<void>
}

const attemptsMax = 8

export function createData<Tables>(options: StandaloneDataOptions): StandaloneData<Tables> {
  const { replicas = [], pool = { max: 10, waitMs: 2_000 }, schema = 'public' } = options
  const key = keyOf(options)
  const primary = connectionOf(options.primary, 'primary')
  const tier = createTier({ databases: [{ name: primary.database, primary, replicas: replicas.map((url, nth) => connectionOf(url, `replicas.${nth}`)) }], pool }, systemClock)
  const place: Place = { database: tier.databaseOf(undefined), schema, bucket: undefined }
  const positionsOf = (seen: string | undefined) => seen === undefined ? new Positions() : Positions.unseal(key, seen, systemClock.now())
  const pgPool = new PipelinedPool({ ...primary, max: pool.max, connectionTimeoutMillis: pool.waitMs })
  pgPool.on('error', () => { /* an idle connection that broke is replaced when one is next asked for */ })
  return {
    read: (work, { seen, timeout = '5s' } = {}) => tier.read(place, { consistency: 'session', positions: positionsOf(seen), timeoutMs: milliseconds(timeout, 'timeout') }, work),
    async write(work, { seen, timeout = '5s', isolation = 'repeatable read' } = {}) {
      const positions = positionsOf(seen)
      for (let attempt = 1, stale = 0; ; attempt++) {
        try {
          const answer = await tier.transact(place, { isolation, timeoutMs: milliseconds(timeout, 'timeout') }, (transaction) => work(writesOn((statement) => transaction.query(statement))))
          await tier.wrote(place.database, positions)
          return { answer, consistency: positions.seal(key, systemClock.now()) }
        } catch (error) {
          if (isStalePlan(error) && stale++ < stalePlansMax) { attempt--; continue }
          if (!isContention(error)) throw error
          if (attempt === attemptsMax) throw failed('contention', `A transaction lost ${attemptsMax} times against concurrent changes of the same rows: try again; if this is usual, guard one update instead of reading first.`, { cause: error, retryAfterMs: 1_000 })
          await systemClock.sleep(backoffMs(systemRandom, attempt, 4, 200))
        }
      }
    },
    pool: pgPool,
    async close() { await Promise.all([tier.close(), pgPool.end()]) },
  }
}

function keyOf({ secret, replicas = [] }: StandaloneDataOptions): Uint8Array {
  if (secret === undefined) {
    if (replicas.length > 0) throw failed('topology', 'createData has replicas and no secret: give it one, such as env:SECRET, the same in every process, since what callers carry is signed with it.')
    return systemRandom.bytes(32) // without a replica nobody is ever behind: what callers carry says nothing
  }
  const key = Buffer.from(resolveSecret(secret, 'secret'))
  if (key.length < 32) throw failed('topology', `createData's secret has ${key.length} bytes: give it 32 or more.`)
  return key
}
