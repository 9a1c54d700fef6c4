import type { Fault } from '../base/index.ts'
import type { WiderTopology } from './topology.ts'

/** What the processes of a topology may open to one server, and what it takes. */
export interface ConnectionNeed {
  readonly path: string
  readonly needed: number
  readonly limit: number
  /** The arithmetic, in words. */
  readonly sum: string
}

/** Postgres's own default (`max_connections`), and what it keeps for superusers. */
const [connectionsUnlessTold, reserved] = [100, 3]
/** PgBouncer's own default (`default_pool_size`). */
const poolerSize = 20
/** Pipelined connections of a process to each server; they go past a pooler. */
const lanes = 2
/** A migration, and a look at what is wrong. */
const operators = 2

/** Of who stores the log and makes the backups; of each process that looks whether it still does. */
const [keeper, looker] = [3, 1]

/** For the primary, and for each replica. */
export function connectionNeeds({ web, workers, data, backup }: WiderTopology<any>): ConnectionNeed[] {
  const { pool: { max }, pooler, replicas = [], connections: limit = connectionsUnlessTold } = data
  const processes = countOf(web) + (workers ? countOf(workers) : 0)
  const need = (path: string, pools: number, pooled: boolean): ConnectionNeed => {
    const size = pooler?.size ?? poolerSize
    const opened = pooled ? size + processes * lanes : processes * (pools * max + lanes)
    const sum = pooled ? `the pooler's ${size} and ${processes} processes x ${lanes} lanes` : `${processes} ${processes === 1 ? 'process' : 'processes'} x (${pools} pools x ${max} and ${lanes} lanes)`
    const backups = backup && path === 'data.primary' ? keeper + processes * looker : 0
    return { path, needed: opened + backups + operators + reserved, limit, sum: `${sum}${backups > 0 ? `, ${backups} for backups` : ''}, ${operators} for migrations and operators, ${reserved} kept for superusers` }
  }
  return [
    need('data.primary', 2, pooler !== undefined),
    ...replicas.map((_, index) => need(`data.replicas.${index}`, 1, pooler?.replicas?.[index] !== undefined)),
  ]
}

function countOf(part: { readonly processes: number | { readonly max: number } } | undefined): number {
  const { processes = 1 } = part ?? {}
  return typeof processes === 'number' ? processes : processes.max
}

/** Where it does not add up, with the numbers and what to do. */
export function connectionFaults(topology: WiderTopology<any>): Fault[] {
  return connectionNeeds(topology).filter(({ needed, limit }) => needed > limit).map((need) => ({ path: need.path, message: connectionMessage(need, topology.data.pooler !== undefined) }))
}

export function connectionMessage({ needed, limit, sum }: ConnectionNeed, pooled: boolean): string {
  return `would have ${needed} connections (${sum}) and takes ${limit}: lower data.pool.max, ${pooled ? 'or the pooler\'s size' : 'put a pooler between (data.pooler)'}, or raise the server's max_connections and data.connections`
}
