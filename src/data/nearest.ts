import { type Clock, isTenfoldError, type Position, type Positions } from '../base/index.ts'
import type { Counter } from '../observe/index.ts'
import type { Database } from './database.ts'
import { isContention, isStalePlan, stalePlansMax } from './faults.ts'
import type { Replica } from './replica.ts'
import type { Sight } from './standing.ts'
import type { Target } from './target.ts'

export interface NearestOptions { readonly consistency: 'session' | 'primary' | 'eventual'; readonly positions: Positions; readonly timeoutMs: number }

/** Why a read was served where it was; a metric counts each. */
export const readReasons = ['replica', 'asked', 'no-replica', 'behind', 'lost', 'failed'] as const
export type ReadReason = typeof readReasons[number]
export type CountReads = (reason: ReadReason) => Pick<Counter, 'add'>

/**
 * The way of a read (DESIGN.md, "Positions"): any replica for who does not mind; one that has all that the caller has seen, or will have
 * it in a moment; else the primary. Where a replica fails, or cancels what stands in the way of its replay, the primary is asked, once.
 * A read moves the caller's position too: it never goes back in time, whichever process answers.
 */
export async function onNearest<T>(database: Database, options: NearestOptions, clock: Clock, count: CountReads, work: Reader<T>): Promise<T> {
  const { positions, consistency, timeoutMs } = options
  if (database.replicas.length === 0) return onFound(database, timeoutMs, () => onFresh(() => work(database.primary)))
  const on = (target: Target) => onFresh(async (): Promise<{ answer: T; seen?: Position | undefined }> => {
    if (consistency === 'eventual') return { answer: await work(target) }
    let seen: Position | undefined // nothing, where it asked nothing of the database
    const answer = await work(target, database.sightOf(target, (position) => { seen = position }))
    return { answer, seen }
  })
  const take = ({ answer, seen }: { answer: T; seen?: Position | undefined }, reason: ReadReason): T => {
    count(reason).add()
    if (seen) positions.advance(seen)
    return answer
  }
  const onPrimary = async (reason: ReadReason) => take(await onFound(database, timeoutMs, () => on(database.primary)), reason)
  const wanted = positions.at(database.name)
  const { target, reason } = await nearest(database, options, clock)
  if (!isReplica(database, target)) return onPrimary(reason)
  const read = await target.run(() => on(target)).catch((error: unknown) => {
    if (isTenfoldError(error, 'database-unavailable')) target.lost()
    else if (!isContention(error)) throw error // a standby's only contention is with its own replay
    return undefined
  })
  if (!read) return onPrimary('failed')
  // A replica that was put back to an older state since it was last heard is found out by what it says now.
  return wanted && read.seen && !database.reaches(read.seen, wanted) ? onPrimary('behind') : take(read, reason)
}

/** Reads there, and asks behind its last statement what it has seen. */
export type Reader<T> = (target: Target, sight?: Sight) => Promise<T>

/** Again on a fresh connection, or one that is found stale in its turn, where a migration made this one's statements stale. */
async function onFresh<T>(work: () => Promise<T>): Promise<T> {
  for (let stale = 0; ; stale++) {
    try { return await work() } catch (error) { if (!isStalePlan(error) || stale >= stalePlansMax) throw error }
  }
}

/** Once more where the primary was lost and another found: a read may be repeated. */
async function onFound<T>(database: Database, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const { moves } = database
  try { return await work() } catch (error) {
    if (!isTenfoldError(error, 'database-unavailable') || !await database.foundAgain(moves, timeoutMs)) throw error
    return work()
  }
}

function isReplica(database: Database, target: Target): target is Replica { return target !== database.primary }

async function nearest(database: Database, { consistency, positions }: NearestOptions, clock: Clock): Promise<{ target: Target; reason: ReadReason }> {
  const { primary } = database
  if (consistency === 'primary' || positions.primaryUntil > clock.now()) return { target: primary, reason: 'asked' }
  for (const replica of database.replicas) if (replica.outage() !== undefined) replica.refresh()
  const inRotation = database.replicas.filter((replica) => replica.outage() === undefined)
  const seenThere = positions.at(database.name)
  if (seenThere && database.isLost(seenThere)) return { target: primary, reason: 'lost' } // it goes on from what is there
  if (inRotation.length === 0) return { target: primary, reason: 'no-replica' }
  if (consistency === 'eventual' || !seenThere) return { target: leastLoaded(inRotation), reason: 'replica' }
  const replica = covering(inRotation, seenThere) ?? await awaited(database, inRotation, seenThere, clock)
  return replica ? { target: replica, reason: 'replica' } : { target: primary, reason: 'behind' }
}

function covering(replicas: readonly Replica[], position: Position): Replica | undefined {
  const able = replicas.filter((replica) => replica.covers(position))
  if (able.length > 0) return leastLoaded(able)
  for (const replica of replicas) replica.refresh()
  return undefined
}

let turn = 0
/** Among equals, each in its turn. */
function leastLoaded(replicas: readonly Replica[]): Replica {
  turn = (turn + 1) % 1_000_000
  const first = replicas[turn % replicas.length]
  return replicas.reduce((least, one) => one.load < least.load ? one : least, first as Replica)
}

/** Who waited in vain is not followed for so long: each wait would be as vain. In milliseconds. */
const vainMs = 250
const pauseMs = 2
const vainUntil = new WeakMap<Database, number>()

/** The first replica that comes to have it, within the limit. */
async function awaited(database: Database, replicas: readonly Replica[], position: Position, clock: Clock): Promise<Replica | undefined> {
  const began = clock.monotonic()
  if (began < (vainUntil.get(database) ?? -Infinity)) return undefined
  while (clock.monotonic() - began < database.waitMs) {
    await Promise.race([Promise.all(replicas.map((replica) => replica.ask())), clock.sleep(database.waitMs)])
    const found = covering(replicas.filter((replica) => replica.outage() === undefined), position)
    if (found) return found
    await clock.sleep(pauseMs)
  }
  vainUntil.set(database, clock.monotonic() + vainMs)
  return undefined
}

