import { LRUCache } from 'lru-cache'
import pg from 'pg'
import { isWriteInReadOnly } from './faults.ts'
import { createLane, type Lane } from './lane.ts'
import { createNames } from './names.ts'

/**
 * `pg.Pool` as everybody uses it, and faster where that is safe: a lone SELECT goes down a lane (a few connections that all share,
 * pipelined, read only) and, once it has been seen before, as a prepared statement. All else is the pool's own: transactions, whatever
 * writes, cursors, clients of one's own.
 *
 * Three things take a SELECT off the lane. One that locks rows never goes there. One that writes after all (a function, a sequence) is
 * refused there before it has an effect, and goes the pool's way from then on. One that has taken long twice would hold up those behind
 * it: from then on it has a connection of its own.
 */
export interface PipelinedPoolConfig extends pg.PoolConfig {
  /** Connections that SELECTs share (2), beside the pool's `max`. */
  readonly lanes?: number
}

/** A statement that so often took longer than this is no neighbour, in milliseconds. */
const [slowMs, slowTimes] = [50, 2]
/** Statements that are remembered as unfit. */
const unfitMax = 2_000

interface Query { text: string; values?: unknown[]; name?: string; rowMode?: string; types?: pg.CustomTypesConfig; submit?: unknown }
type Callback = (error: Error | undefined, result: unknown) => void

export class PipelinedPool extends pg.Pool {
  readonly #lane: Lane
  readonly #nameOf = createNames()
  readonly #slow = new LRUCache<string, number>({ max: unfitMax })
  readonly #unfit = new LRUCache<string, true>({ max: unfitMax })

  constructor({ lanes = 2, ...config }: PipelinedPoolConfig) {
    super(config)
    const { max: _max, min: _min, idleTimeoutMillis: _idle, ...client } = config
    // What the pool's connections are told at their start, the lanes' are told too; only that they may not write comes on top.
    this.#lane = createLane(() => ({ ...client, options: `${client.options ?? ''} -c default_transaction_read_only=on`.trim() }), lanes, (error) => error, ({ text }, tookMs) => { if (tookMs > slowMs) this.#noteSlow(text) })
    // As pg's own overloads: with a callback, or a promise; a text, a configuration, or something that submits itself.
    const own = super.query.bind(this) as (...args: unknown[]) => unknown
    this.query = ((first: string | Query, second?: unknown, third?: unknown) => {
      const query = fitting(first, second)
      if (!query || this.#unfit.has(query.text)) return own(first, second, third)
      const answer = this.#onLane(query, () => own(query) as Promise<pg.QueryResult>)
      const callback = [second, third].find((one): one is Callback => typeof one === 'function')
      if (!callback) return answer
      answer.then((result) => callback(undefined, result), (error: unknown) => callback(error as Error, undefined))
      return undefined
    }) as unknown as pg.Pool['query'] // eight overloads
  }

  async #onLane(query: Query, own: () => Promise<pg.QueryResult>): Promise<pg.QueryResult> {
    const name = query.name ?? this.#nameOf(query.text).name
    try {
      return await this.#lane.run(name === undefined ? query : { ...query, name })
    } catch (error) {
      if (!isWriteInReadOnly(error)) throw error
      this.#unfit.set(query.text, true)
      return own()
    }
  }

  #noteSlow(text: string): void {
    const times = (this.#slow.get(text) ?? 0) + 1
    this.#slow.set(text, times)
    if (times >= slowTimes) this.#unfit.set(text, true)
  }

  override async end(): Promise<void> {
    await Promise.all([super.end(), this.#lane.close()])
  }
}

/** A lone SELECT, as a statement for the lane; undefined for anything else. */
function fitting(first: string | Query, second: unknown): Query | undefined {
  const query: Query = typeof first === 'string' ? { text: first } : first
  if (typeof query?.text !== 'string' || query.submit !== undefined) return undefined
  if (!/^\s*select\b/i.test(query.text) || /\bfor\s+(no\s+key\s+update|update|share|key\s+share)\b|\bset_config\s*\(|\bpg_(try_)?advisory_|\binto\b/i.test(query.text)) return undefined
  return Array.isArray(second) ? { ...query, values: second } : { ...query }
}
