import { type Clock, failed, type Position, type TenfoldError } from '../base/index.ts'
import { createLagJudge, type Heartbeats } from './lag.ts'
import { joined } from './joined.ts'
import { askStanding, positionOf, positionStatement, replayedPosition, replayedStatement, type Sight, type Standing } from './standing.ts'
import type { Target } from './target.ts'
import type { Timelines } from './timelines.ts'

/** Why a replica is not read from. `foreign`: another cluster's; `primary`: no standby at all, or promoted. */
export type Outage = 'unreachable' | 'lagging' | 'foreign' | 'primary'

export interface Replica extends Target {
  readonly name: string
  /** Undefined while it may be read from. */
  outage(): Outage | undefined
  /** Milliseconds behind, as last heard. */
  lagMs(): number
  /** Reads under way there. */
  readonly load: number
  /** Whether it has all that the position stands for: by what was last heard, a bound from below that never falls while it runs. */
  covers(position: Position): boolean
  /** Hears where it stands; one question for all who ask in a tick. It does not fail: a replica that does not answer is taken out. */
  ask(): Promise<void>
  /** Asks how far it has replayed, behind a read. */
  sight(seen: (position: Position) => void): Sight
  /** Asks it in the background, where what was last heard is old. */
  refresh(): void
  /** Runs a read there. It is given up, as `database-unavailable`, when the replica falls silent meanwhile. */
  run<T>(read: () => Promise<T>): Promise<T>
  /** A read could not reach it. */
  lost(): void
}

export interface ReplicaOptions {
  readonly name: string
  readonly database: string
  readonly target: Target
  readonly kind: 'ours' | 'plain'
  readonly clock: Clock
  readonly timelines: Timelines
  readonly heartbeats: Heartbeats
  /** Of the primary's cluster, once that is known. */
  readonly system: () => string | undefined
  /** A replica further behind than this, in milliseconds, for a second, is taken out. */
  readonly lagLimitMs: number
}

/** How old its word may be before it is asked again, in milliseconds. */
const newsMs = 25
/** One that says nothing for so long is not there. */
const silentMs = 500
const sustainedMs = 1_000

export function createReplica({ name, database, target, kind, clock, timelines, heartbeats, system, lagLimitMs }: ReplicaOptions): Replica {
  const lag = createLagJudge(clock, lagLimitMs, sustainedMs)
  let [heard, askedAt, lagMs, outage]: [Standing | undefined, number, number, Outage | undefined] = [undefined, -Infinity, 0, undefined]
  /** Of the reads under way: how each is given up. (To race each against one promise for all would keep something of every read for as long as that lives.) */
  const underWay = new Set<(error: Error) => void>()

  const take = (standing: Standing) => {
    const isSame = heard?.startedAt === standing.startedAt && heard.system === standing.system
    const isBehind = isSame && heard !== undefined && heard.position.timeline === standing.position.timeline && heard.position.lsn > standing.position.lsn
    heard = isBehind && heard ? { ...standing, position: heard.position } : standing
    lagMs = standing.beatAt === undefined ? 0 : heartbeats.lagMs(standing.beatAt)
    const [mine, home] = [standing.system, system()]
    if (home !== undefined && mine !== home) outage = 'foreign'
    else if (!standing.isStandby) outage = 'primary'
    else outage = lag.judge(lagMs) === 'out' ? 'lagging' : undefined
  }
  const lost = () => {
    outage = 'unreachable'
    heard = undefined // where it stands when it comes back, it says then
    for (const giveUp of underWay) giveUp(unreachable(name))
  }
  const ask = joined(async () => {
    askedAt = clock.monotonic()
    const cancel = clock.after(silentMs, () => { lost(); target.lane.reset(); target.pool.reset() })
    try { take(await askStanding(target.lane, kind, database, clock)) } catch { lost() } finally { cancel() }
  })
  /** Reads of one tick are told the same rows: what these say is worked out once. */
  let told: { readonly rows: readonly unknown[]; readonly position: Position } | undefined
  const positionIn = (rows: readonly unknown[], timeline: number): Position => {
    if (told?.rows !== rows) told = { rows, position: replayedPosition(rows, timeline, database, clock) }
    return told.position
  }
  const replica: Replica = {
    ...target, name, ask, lost,
    outage: () => outage,
    lagMs: () => lagMs,
    get load() { return underWay.size },
    covers: (position) => heard !== undefined && timelines.reaches(heard.position, position),
    refresh() { if (clock.monotonic() - askedAt > (outage === 'unreachable' ? silentMs : newsMs)) void ask() },
    sight(seen) {
      // A timeline that it has taken up since it was last heard is told with the next word of it: until then nobody can be sure, and reads the primary.
      const timeline = heard?.position.timeline
      if (timeline === undefined) return { statement: positionStatement(kind), tell: (rows) => seen(positionOf(rows, database, clock)) }
      return { statement: replayedStatement, tell: (rows) => seen(positionIn(rows, timeline)) }
    },
    run: (read) => new Promise((resolve, reject) => {
      underWay.add(reject)
      void read().then(resolve, reject).finally(() => underWay.delete(reject))
    }),
  }
  return replica
}

function unreachable(name: string): TenfoldError {
  return failed('database-unavailable', `${name} does not answer: the primary is read instead.`, { retryAfterMs: 1_000 })
}
