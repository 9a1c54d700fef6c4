import { type Clock, failed, type Position } from '../base/index.ts'
import { databaseFault, isLostConnection } from './faults.ts'
import { joined } from './joined.ts'
import { createHeartbeats } from './lag.ts'
import { createLane } from './lane.ts'
import { clientOptions, type Connection, type ConnectionPool, createPool, type PoolOptions } from './pool.ts'
import { createPrimaryFinder } from './primary-finder.ts'
import { createReplica, type Replica } from './replica.ts'
import { askLeftTimelines, askStanding, beatStatement, positionOf, positionStatement, type Sight } from './standing.ts'
import type { Target } from './target.ts'
import { createTimelines } from './timelines.ts'

/** One logical database: a primary, and perhaps copies of it that lag behind. */
export interface DatabaseConfig {
  readonly name: string
  readonly primary: Connection
  readonly replicas: readonly Connection[]
  /** The same servers through a transaction pooler: what transactions go by. Lanes go past it: a pooler knows no prepared statements. */
  readonly pooler?: { readonly primary: Connection; readonly replicas?: readonly Connection[] } | undefined
  /** True: it has the platform's own tables, and so a heartbeat, by which a replica's lag is told. */
  readonly hasPlatform?: boolean
}

export interface ReplicaOptions {
  /** A replica this far behind, in milliseconds, for a second is not read from until it has caught up; 500 unless told. */
  readonly lagLimitMs?: number
  /** How long a read waits for a replica to have what its caller has seen, in milliseconds, before it goes to the primary; 20 unless told. */
  readonly waitMs?: number
}

export interface Database {
  readonly name: string
  readonly primary: Target
  /** Apart from the readers' connections, so that a crowd of reads cannot keep a write out. */
  readonly writer: ConnectionPool
  readonly replicas: readonly Replica[]
  readonly waitMs: number
  /** Where the primary's log is now: at or behind every commit that it has acknowledged. One question for all who ask in a tick. */
  position(): Promise<Position>
  /** What a read there has seen, asked right behind it. */
  sightOf(target: Target, seen: (position: Position) => void): Sight
  /** Whether who is there has all that was wanted. */
  reaches(replayed: Position, wanted: Position): boolean
  /** Whether a failover has lost what that position stands for. */
  isLost(position: Position): boolean
  /** How often another server was found to be the primary. */
  readonly moves: number
  /** Whether one was since there were so many moves, or is in that time, where the servers of a cluster are just being asked. */
  foundAgain(moves: number, withinMs: number): Promise<boolean>
  /** Whether it must be watched: it has replicas, or is a cluster, whose primary may hang without a word. */
  readonly isWatched: boolean
  /** Writes a heartbeat and hears where each replica stands. Never fails: what does not answer is taken out. */
  watch(): Promise<void>
  close(): Promise<void>
}

const laneSize = 2
/** A primary that takes no heartbeat for so long may be none any more. */
const beatMs = 1_000
const [lagLimitMs, waitMs] = [500, 20]

export function createDatabase(config: DatabaseConfig, pools: PoolOptions, clock: Clock, options: ReplicaOptions = {}): Database {
  const kind = config.hasPlatform ? 'ours' : 'plain'
  let moves = 0
  const finder = createPrimaryFinder(config.primary, clock, (to) => { moves++; for (const one of [primary.pool, writer, primary.lane]) one.move(to) })
  const primary = createTarget(pools, config.name, config.primary, config.pooler?.primary, finder.suspect)
  const writer = createPool(`${config.name} (writes)`, config.pooler?.primary ?? config.primary, pools, finder.suspect)
  const [timelines, heartbeats] = [createTimelines(), createHeartbeats(clock)]
  let [timeline, system]: [number, string | undefined] = [1, undefined] // of timeline 1 nothing was left behind

  const learn = async ({ timeline: now }: Position) => {
    if (now === timeline || kind === 'plain') return
    timelines.learn(await askLeftTimelines(primary.lane))
    timeline = now
  }
  const located = (rows: readonly unknown[]): Position => {
    const { isStandby, ...found } = positionOf(rows, config.name, clock)
    if (!isStandby) return found
    finder.suspect()
    throw failed('database-unavailable', `The server of ${config.name} is no primary any more: try again shortly.`, { retryAfterMs: 1_000 })
  }
  const position = joined(async () => {
    const found = located((await primary.lane.run(positionStatement(kind))).rows)
    await learn(found)
    return found
  })
  const sight = (seen: (position: Position) => void): Sight => ({
    statement: positionStatement(kind),
    tell(rows) {
      const found = located(rows)
      seen(found)
      learn(found).catch(() => { /* with the next */ })
    },
  })
  const replicas = config.replicas.map((connection, index) => {
    const name = `${config.name} replica ${index + 1}`
    return createReplica({ name, database: config.name, target: createTarget(pools, name, connection, config.pooler?.replicas?.[index]), kind, clock, timelines, heartbeats, system: () => system, lagLimitMs: options.lagLimitMs ?? lagLimitMs })
  })
  const beat = async () => {
    system ??= (await askStanding(primary.lane, kind, config.name, clock)).system
    if (kind === 'plain') return
    const { client, release } = await writer.take()
    try {
      const { rows: [row] } = await client.query<{ at: number }>(beatStatement.text)
      heartbeats.heard(Number(row?.at))
      release()
    } catch (error) {
      release(true)
      throw error
    }
  }
  let beating: Promise<void> | undefined
  return {
    name: config.name, primary, writer, replicas, position, waitMs: options.waitMs ?? waitMs,
    isLost: timelines.isLost, reaches: timelines.reaches,
    isWatched: replicas.length > 0 || (config.primary.hosts?.length ?? 0) > 1,
    get moves() { return moves },
    foundAgain: (since, withinMs) => moves > since ? Promise.resolve(true) : finder.looking ? within(clock, withinMs, finder.looking).then(() => true, () => false) : Promise.resolve(false),
    sightOf: (read, seen) => read === primary ? sight(seen) : (read as Replica).sight(seen),
    async watch() {
      // Without its primary a replica is asked all the same: it still serves. No beat is no lag.
      await Promise.all([within(clock, beatMs, beating ??= beat().finally(() => { beating = undefined })).catch(finder.suspect), ...replicas.map((replica) => replica.ask())])
    },
    async close() {
      finder.close()
      await Promise.allSettled([writer.close(), ...[primary, ...replicas].flatMap(({ pool, lane }) => [pool.close(), lane.close()])])
    },
  }
}

function createTarget(pools: PoolOptions, name: string, connection: Connection, pooled: Connection | undefined, suspected?: () => void): Target {
  return {
    pool: createPool(`${name} (reads)`, pooled ?? connection, pools, suspected),
    lane: createLane((to) => clientOptions({ ...connection, ...to }, true), laneSize, (error) => { if (isLostConnection(error)) suspected?.(); return databaseFault(error, name) }),
  }
}

async function within<T>(clock: Clock, limitMs: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = clock.after(limitMs, () => reject(failed('timeout', `It took longer than ${limitMs} ms.`)))
  return await Promise.race([work, late]).finally(cancel)
}
