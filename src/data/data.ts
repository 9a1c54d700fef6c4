import type { ProcedureDefinition, Reads, ShardRule, ModuleDefinition } from '../app/index.ts'
import { bucketCount, bucketOf, type Clock, failed, type Positions } from '../base/index.ts'
import type { Metrics } from '../observe/index.ts'
import { type Deadline, deadlineIn, raceDeadline } from '../resilience/index.ts'
import { readsOn, snakeName } from './builder.ts'
import { createDatabase, type Database, type DatabaseConfig, type ReplicaOptions } from './database.ts'
import { type CountReads, onNearest, type Reader, readReasons } from './nearest.ts'
import { sendable, type PoolOptions } from './pool.ts'
import type { Sight } from './standing.ts'
import type { Target } from './target.ts'
import { camelRows, createBatcher, knownStatement, type KnownStatement, valuesOf } from './statement.ts'
import { databaseFault, deposed, isLostConnection, isStalePlan, isWriteInReadOnly, unreplicated } from './faults.ts'
import { type Statement, Transaction, type TransactionOptions } from './transaction.ts'
import { wasUnreplicated } from './unreplicated.ts'
import type { QueryConfig, QueryResultRow } from 'pg'

export interface DataConfig {
  /** Where modules without a shard key are, and the first shard of those with one. */
  readonly databases: readonly DatabaseConfig[]
  readonly pool: PoolOptions
  readonly replicas?: ReplicaOptions
}

/** Where rows are: a database, the module's schema in it, and the bucket. */
export interface Place { readonly database: Database; readonly schema: string; readonly bucket: number | 'all' | undefined }

export interface ReadOptions { readonly consistency: 'session' | 'primary' | 'eventual'; readonly positions: Positions; readonly timeoutMs: number; readonly onStatement?: TransactionOptions['onStatement']; /** The procedure that reads: its statements name it. */ readonly by?: string }

export type WriteOptions = Pick<TransactionOptions, 'isolation' | 'timeoutMs' | 'onStatement'>

/**
 * A handler's reading. `pause` gives the connection back, so that a query that calls another does not hold one while it waits for a second:
 * a crowd of them would wait for each other. What it reads after that is a snapshot of its own.
 */
export type Reading<T> = (db: Reads<any>, aside: <A>(work: () => Promise<A>) => Promise<A>) => Promise<T>

export interface Data {
  readonly databases: readonly Database[]
  /** Where a procedure with that input finds its rows. For `all`: one place for each shard. */
  places(rule: ShardRule, module: ModuleDefinition, input: unknown): readonly Place[]
  /** The database of a bucket of a sharded module; of anything else, the first. */
  databaseOf(bucket: number | undefined): Database
  /** Runs `work` in a transaction that cannot write, on the nearest copy that has what the caller has seen. */
  read<T>(place: Place, options: ReadOptions, work: Reading<T>): Promise<T>
  /** A query that is one statement, ready to run: answers its rows, or at most one where `single`. */
  statement(procedure: ProcedureDefinition, single: boolean): (place: Place, options: ReadOptions, input: Record<string, unknown>) => Promise<Record<string, unknown>[]>
  write(place: Place, options: WriteOptions): Promise<Transaction>
  /** Runs `work` in a transaction and commits it, or takes it back where it throws. */
  transact<T>(place: Place, options: WriteOptions, work: (transaction: Transaction) => Promise<T>): Promise<T>
  /** One statement of the platform's own, in a transaction of its own. Errors: as of a transaction's COMMIT, and the driver's. */
  execute<Row extends QueryResultRow = QueryResultRow>(database: Database, statement: Statement): Promise<Row[]>
  /** After a commit: from now on the caller reads what it wrote. */
  wrote(database: Database, positions: Positions): Promise<void>
  close(): Promise<void>
}

export function createData(config: DataConfig, clock: Clock, metrics?: Metrics): Data {
  const databases = config.databases.map((database) => createDatabase(database, config.pool, clock, config.replicas))
  const counts = new Map(databases.map((database) => [database, readCounts(database.name, metrics)]))
  const near = <T>(database: Database, options: ReadOptions, work: Reader<T>) => onNearest(database, options, clock, counts.get(database) as CountReads, work)
  const home = databases[0]
  if (!home) throw failed('topology', 'data.databases is empty: name at least one database.')
  const databaseOf = (bucket: number | undefined) => bucket === undefined ? home : databases[Math.floor(bucket * databases.length / bucketCount)] as Database

  const write: Data['write'] = (place, options) => Transaction.open(place.database.writer, { ...options, readOnly: false, schema: place.schema, bucket: place.bucket })

  return {
    databases, databaseOf,
    places(rule, module, input) {
      const schema = snakeName(module.name)
      if (rule.kind === 'none') return [{ database: home, schema, bucket: undefined }]
      if (rule.kind === 'all') return databases.map((database) => ({ database, schema, bucket: 'all' }))
      const key = (input as Record<string, unknown>)[rule.field]
      if (typeof key !== 'string' && typeof key !== 'number') throw failed('invalid', `The input has no ${rule.field}, which says where its rows are.`, { faults: [{ path: `/${rule.field}`, message: 'is required' }] })
      const bucket = bucketOf(key)
      return [{ database: databaseOf(bucket), schema, bucket }]
    },
    read: (place, options, work) => near(place.database, options, (target, sight) => { const deadline = deadlineIn(clock, options.timeoutMs); return readOn(target, place, options, deadline, sight, (db, aside) => raceDeadline(clock, deadline, 250, work(db, aside), () => failed('timeout', 'A query passed its time limit: try again.'))) }),
    statement(procedure, single) {
      const known = knownStatement(procedure)
      if (!known) throw failed('definition', `${procedure.name} is not one statement.`)
      const runners = new Map<Target, ReturnType<typeof runnerOn>>()
      return (place, options, input) => near(place.database, options, async (target, sight) => {
        let run = runners.get(target)
        if (!run) runners.set(target, run = runnerOn(target, known, single))
        return camelRows(await run(place, valuesOf(known, input), sight))
      })
    },
    write,
    async transact(place, options, work) {
      const transaction = await write(place, options)
      try {
        const answer = await work(transaction)
        await transaction.commit()
        return answer
      } catch (error) {
        await transaction.rollback()
        throw error
      }
    },
    async execute<Row extends QueryResultRow>(database: Database, statement: Statement) {
      const { client, release } = await database.writer.take()
      try {
        const { rows } = await client.query<Row>(sendable(database.writer, statement) as QueryConfig)
        if (wasUnreplicated(client)) throw unreplicated(database.name)
        release()
        return rows
      } catch (error) {
        release(isLostConnection(error) || isStalePlan(error))
        if (isWriteInReadOnly(error)) { database.writer.suspect(); throw deposed(database.name, error) }
        throw databaseFault(error, database.name)
      }
    },
    async wrote(database, positions) {
      if (database.replicas.length === 0) return
      // The commit stands whatever becomes of this question: who cannot be told where it is reads primaries.
      await database.position().then((position) => positions.advance(position), () => positions.readPrimaries(clock.now()))
    },
    async close() { await Promise.all(databases.map((database) => database.close())) },
  }
}

function readCounts(database: string, metrics: Metrics | undefined): CountReads {
  const counters = new Map(readReasons.map((reason) => [reason, metrics?.counter('tenfold_replica_reads_total', 'Reads of a database with replicas, by where they were served and why', { db_namespace: database, served_by: reason === 'replica' ? 'replica' : 'primary', reason })]))
  return (reason) => counters.get(reason) ?? { add() {} }
}

/** A handler's statements in one transaction that cannot write, opened when the first is sent. */
async function readOn<T>(target: Target, place: Place, { onStatement, by }: ReadOptions, deadline: Deadline, sight: Sight | undefined, work: Reading<T>): Promise<T> {
  let [calling, closed] = [0, false]
  let opened: Promise<Transaction> | undefined
  let running = 0
  const open = () => {
    if (closed) throw failed('definition', 'A statement was run after its query had ended: await every use of ctx.db inside the handler.')
    deadline.check('A query')
    return opened ??= Transaction.open(target.pool, { isolation: 'repeatable read', readOnly: true, schema: place.schema, bucket: place.bucket, timeoutMs: Math.max(1, deadline.remainingMs()), onStatement })
  }
  const end = async (transaction: Transaction) => {
    const [seen] = await transaction.commit(sight ? [sight.statement] : [])
    if (seen) sight?.tell(seen.rows)
  }
  const giveBack = async () => {
    if (running > 0 || !opened) return
    const idle = opened
    opened = undefined
    await end(await idle)
  }
  try {
    const db = readsOn(async (statement) => {
      running++
      try { return await (await open()).query(statement) } finally {
        running--
        if (calling > 0) await giveBack()
      }
    }, by)
    const answer = await work(db, async (other) => {
      calling++
      await giveBack()
      try { return await other() } finally { calling-- }
    })
    closed = true
    if (opened) await end(await opened)
    return answer
  } catch (error) {
    closed = true
    await opened?.then((transaction) => transaction.rollback(), () => { /* it never opened */ })
    throw isWriteInReadOnly(error) ? failed('definition', 'A query tried to write: what changes rows is a command.', { cause: error }) : error
  }
}

/** One statement on one target: in a transaction of its own where row security must know the bucket, else bare, and in batches. */
function runnerOn(target: Target, known: KnownStatement, single: boolean): (place: Place, values: unknown[], sight?: Sight) => Promise<Record<string, unknown>[]> {
  const batched = single && known.parameters.length > 0 ? createBatcher(target.lane, known) : undefined
  return async (place, values, sight) => {
    const behind = sight ? [sight.statement] : []
    if (place.bucket !== undefined) {
      const results = await target.lane.burst([
        { text: 'begin read only' }, { name: 'tenfold_bucket', text: `select set_config('tenfold.bucket', $1, true)`, values: [String(place.bucket)] }, { ...known, values }, ...behind, { text: 'commit' },
      ])
      sight?.tell(results[3]?.rows ?? [])
      return results[2]?.rows ?? []
    }
    if (batched) {
      const row = await batched(values, sight)
      return row ? [row] : []
    }
    const [result, seen] = await target.lane.burst([{ ...known, values }, ...behind])
    sight?.tell(seen?.rows ?? [])
    return result?.rows ?? []
  }
}
