import type pg from 'pg'
import { failed } from '../base/index.ts'
import { hold } from './burst.ts'
import { databaseFault, deposed, isLostConnection, isStalePlan, isWriteInReadOnly, unreplicated } from './faults.ts'
import { type ConnectionPool, sendable } from './pool.ts'
import { wasUnreplicated } from './unreplicated.ts'

export interface Statement { readonly text: string; readonly values?: readonly unknown[]; /** Prepared under this name, once for each connection. */ readonly name?: string }

export interface TransactionOptions {
  readonly isolation: 'repeatable read' | 'read committed'
  readonly readOnly: boolean
  /** The Postgres schema that unqualified names mean. */
  readonly schema: string
  /** What row security lets through; `all` for reads over every bucket of the database. */
  readonly bucket: number | 'all' | undefined
  /** Of each statement, in milliseconds. */
  readonly timeoutMs: number
  /** Told when a statement begins; what it answers is told when that has ended. */
  readonly onStatement?: ((text: string) => (error?: unknown) => void) | undefined
}

const place = {
  name: 'tenfold_place',
  text: `select set_config('search_path', $1, true), set_config('tenfold.bucket', $2, true), set_config('statement_timeout', $3, true)`,
}

/**
 * One transaction on one connection. What belongs together is sent together (the driver pipelines): its opening goes out with its
 * first statement, its last statements with its COMMIT.
 */
export class Transaction {
  readonly #client: pg.PoolClient
  readonly #release: (broken?: boolean) => void
  readonly #pool: ConnectionPool
  readonly #readOnly: boolean
  readonly #onStatement: TransactionOptions['onStatement']
  #ended = false
  /** Its connection remembers statements as they were before a migration: it is not to be used again. */
  #stale = false

  private constructor(client: pg.PoolClient, release: (broken?: boolean) => void, pool: ConnectionPool, { readOnly, onStatement }: TransactionOptions) {
    this.#client = client
    this.#release = release
    this.#pool = pool
    this.#readOnly = readOnly
    this.#onStatement = onStatement
  }

  static async open(pool: ConnectionPool, options: TransactionOptions): Promise<Transaction> {
    const { client, release } = await pool.take()
    const transaction = new Transaction(client, release, pool, options)
    // A fault of these comes back with the first statement's: the transaction is then aborted, or the connection gone.
    const ignore = () => {}
    // After the microtasks: what is sent at once by whom waits for this goes with it.
    process.nextTick(hold(client))
    client.query(`begin isolation level ${options.isolation}${options.readOnly ? ' read only' : ''}`).catch(ignore)
    if (options.bucket === 'all') client.query('set local role tenfold_scan').catch(ignore)
    client.query({ ...sendable(pool, place), values: [options.schema, String(options.bucket ?? ''), String(Math.max(1, Math.ceil(options.timeoutMs)))] }).catch(ignore)
    return transaction
  }

  async query<Row extends pg.QueryResultRow = pg.QueryResultRow>(statement: Statement): Promise<pg.QueryResult<Row>> {
    if (this.#ended) throw failed('definition', 'A statement was run after its transaction had ended: await every use of ctx.db inside the handler.')
    const ended = this.#onStatement?.(statement.text)
    try {
      const result = await this.#client.query<Row>(sendable(this.#pool, statement) as pg.QueryConfig)
      ended?.()
      return result
    } catch (error) {
      ended?.(error)
      this.#stale ||= isStalePlan(error)
      if (!this.#readOnly && isWriteInReadOnly(error)) throw this.#deposed(error)
      throw databaseFault(error, this.#pool.name)
    }
  }

  /**
   * Sends the last statements and COMMIT in one burst. COMMIT is never cancelled. Errors: contention as the driver's own error;
   * `outcome-unknown` when the connection broke after COMMIT was sent, or the server did not wait for its standby.
   */
  async commit(last: readonly Statement[] = []): Promise<pg.QueryResult[]> {
    this.#ended = true
    const ended = this.#onStatement?.('commit')
    const send = hold(this.#client)
    const sent = last.map((statement) => this.#client.query(sendable(this.#pool, statement) as pg.QueryConfig))
    sent.push(this.#client.query('set local statement_timeout = 0'), this.#client.query('commit'))
    send()
    const outcomes = await Promise.allSettled(sent)
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')?.reason as unknown
    const done = outcomes.at(-1)
    ended?.(failure)
    if (done?.status === 'fulfilled' && done.value.command === 'COMMIT') {
      this.#release()
      if (wasUnreplicated(this.#client)) throw unreplicated(this.#pool.name)
      return outcomes.slice(0, last.length).map((outcome) => (outcome as PromiseFulfilledResult<pg.QueryResult>).value)
    }
    if (done?.status === 'rejected' && isLostConnection(done.reason)) {
      this.#release(true)
      const before = outcomes.slice(0, -1).every((outcome) => outcome.status === 'fulfilled' || isLostConnection(outcome.reason))
      if (before && !this.#readOnly) throw failed('outcome-unknown', `The connection to ${this.#pool.name} broke while a change was being committed: repeat the request with the same key to learn its outcome.`, { cause: done.reason })
    } else this.#release(this.#stale || isStalePlan(failure))
    if (!this.#readOnly && isWriteInReadOnly(failure)) throw this.#deposed(failure)
    if (failure === undefined) throw failed('internal', `A transaction on ${this.#pool.name} had failed before its COMMIT.`)
    throw databaseFault(failure, this.#pool.name)
  }

  #deposed(cause: unknown): Error {
    this.#pool.suspect()
    return deposed(this.#pool.name, cause)
  }

  async rollback(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    try {
      await this.#client.query('rollback')
      this.#release(this.#stale)
    } catch {
      this.#release(true)
    }
  }
}
