import { afterTick, type Clock, parseLsn, type Position } from '../base/index.ts'
import { createLane, type Lane } from './lane.ts'
import { databaseFault } from './faults.ts'
import { clientOptions, type Connection, type ConnectionPool, createPool, type PoolOptions } from './pool.ts'
import type { Statement } from './transaction.ts'

/** One logical database: a primary, and perhaps copies of it that lag behind. */
export interface DatabaseConfig {
  readonly name: string
  readonly primary: Connection
  readonly replicas: readonly Connection[]
}

/** One Postgres that reads can be sent to. */
export interface Target {
  readonly pool: ConnectionPool
  readonly lane: Lane
}

export interface Replica extends Target {
  /** Whether it has replayed that position: by what was last heard of it, a bound from below that never falls. */
  covers(position: Position): boolean
}

export interface Database {
  readonly name: string
  readonly primary: Target
  /** Apart from the readers' connections, so that a crowd of reads cannot keep a write out. */
  readonly writer: ConnectionPool
  readonly replicas: readonly Replica[]
  /** Where the primary's log is now: at or behind every commit that it has acknowledged. One question for all who ask in a tick. */
  position(): Promise<Position>
  /** What has been replayed where that read was served. */
  positionOf(target: Target): Promise<Position>
  close(): Promise<void>
}

const laneSize = 2
/** How old a replica's word may be before it is asked again, in milliseconds. */
const replicaNewsMs = 25

// The timeline is the first eight digits of a log file's name; a standby cannot name its files, but knows its last checkpoint's.
const written: Statement = { name: 'tenfold_written', text: `select lsn::text, ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::int as timeline from pg_current_wal_lsn() as lsn` }
const replayedTo: Statement = { name: 'tenfold_replayed', text: `select coalesce(pg_last_wal_replay_lsn(), '0/0')::text as lsn, (select timeline_id from pg_control_checkpoint()) as timeline` }

async function askPosition(lane: Lane, where: Statement, database: string, clock: Clock): Promise<Position> {
  const { rows } = await lane.run(where)
  const { lsn, timeline } = rows[0] as { lsn: string; timeline: number }
  return { database, timeline, lsn: parseLsn(lsn), at: clock.now() }
}

export function createDatabase(config: DatabaseConfig, pools: PoolOptions, clock: Clock): Database {
  const target = (name: string, connection: Connection): Target => ({ pool: createPool(`${name} (reads)`, connection, pools), lane: createLane(clientOptions(connection, true), laneSize, (error) => databaseFault(error, name)) })
  const primary = target(config.name, config.primary)
  const writer = createPool(`${config.name} (writes)`, config.primary, pools)
  const replicas = config.replicas.map((connection, index) => createReplica(target(`${config.name} replica ${index + 1}`, connection), config.name, clock))
  const ask = (lane: Lane, where: Statement) => once(() => askPosition(lane, where, config.name, clock))
  const position = ask(primary.lane, written)
  const replayed = new Map<Target, () => Promise<Position>>(replicas.map((replica) => [replica, ask(replica.lane, replayedTo)]))
  return {
    name: config.name, primary, writer, replicas, position,
    positionOf: (read) => (replayed.get(read) ?? position)(),
    async close() {
      await Promise.allSettled([writer.close(), ...[primary, ...replicas].flatMap(({ pool, lane }) => [pool.close(), lane.close()])])
    },
  }
}

function createReplica(target: Target, database: string, clock: Clock): Replica {
  let replayed: Position = { database, timeline: 0, lsn: 0n, at: 0 }
  let heardAt = -Infinity
  const listen = async () => {
    heardAt = clock.monotonic()
    const heard = await askPosition(target.lane, replayedTo, database, clock)
    if (heard.lsn > replayed.lsn) replayed = heard
  }
  return {
    ...target,
    covers(position) {
      if (replayed.timeline >= position.timeline && replayed.lsn >= position.lsn) return true
      if (clock.monotonic() - heardAt > replicaNewsMs) listen().catch(() => { /* a replica that does not answer covers nothing new */ })
      return false
    },
  }
}

/** Joins all that ask within one tick into one question, asked after every one of them. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let next: Promise<T> | undefined
  return () => next ??= new Promise<void>(afterTick).then(() => { next = undefined; return ask() })
}
