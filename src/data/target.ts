import type { Lane } from './lane.ts'
import type { ConnectionPool } from './pool.ts'

/** One Postgres that reads can be sent to. */
export interface Target {
  readonly pool: ConnectionPool
  readonly lane: Lane
}
