import type pg from 'pg'
import { backoffMs, type Clock, lsnText, parseLsn, type Random } from '../../base/index.ts'
import { type PostgresAddress, replicationSession } from '../rig/base-backup.ts'
import { type ArchiveState, storeLogFile } from './archiver.ts'
import { readLog } from './log.ts'
import { type NextTimeline, serverTimeline, timelineHistory } from './log-stream.ts'
import { createProgress } from './progress.ts'
import { readTimeline, type Reading } from './read-timeline.ts'
import { assertReceivable, isRemoved, isTaken, receiveFault } from './receive-faults.ts'
import { adminSession, currentTimeline, leaveSession, serverFacts } from './session.ts'
import { readySlot, type Slot } from './slot.ts'
import { type SegmentStart, segmentStart, storedUpTo, timelineAt, type Way } from './start-place.ts'
import type { BackupStore } from './store.ts'
import { historyName, readHistory, segmentName, walKey } from './wal.ts'

/**
 * Brings the log of a server into the store, wherever that server is: as a standby would read it, by a slot that makes the server keep what is not stored yet, and by which one process reads at a
 * time. Where that one dies, another goes on. Only what the store has is confirmed. After a failover it goes on at the new primary, along the new timeline; each standby keeps the slot, too.
 */
export interface Receiver {
  /** Whether this process is the one that reads. */
  isReceiving(): boolean
  state(): ArchiveState
  /** Closes the current segment, stores it where that can be had soon, and ends. */
  stop(): Promise<void>
}

export interface ReceiveOptions {
  /** The primary, as it is now; asked again whenever something is amiss. */
  readonly server: () => Promise<PostgresAddress>
  readonly slot: string
  readonly store: BackupStore
  /** A segment is closed after so long, full or not. */
  readonly loseAtMostMs: number
  readonly clock: Clock
  readonly random: Random
  /** Told, once, of what is amiss. */
  readonly onFault: (reason: string) => void
  /** From now on it is this process that reads. */
  readonly onBegun: () => void
  /** The log in the store has a hole, and what stands behind it has come: only a new full backup leads on. */
  readonly onHole: () => void
}

/** By which name the server knows us. */
const application = 'tenfold_archive'
/** How often it is seen whether another process still reads, in milliseconds. */
const asideMs = 2_000
/** A server that takes longer for an answer hangs, in milliseconds. */
const answerMs = 20_000

export function createReceiver(options: ReceiveOptions): Receiver {
  const { clock, random } = options
  const stopping = new AbortController()
  const progress = createProgress(clock, options.onFault)
  const follow = following(options, progress, stopping.signal)
  const run = async (): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted;) {
      const since = clock.monotonic()
      try {
        const wasOurs = await follow(await options.server())
        failures = 0
        await clock.sleep(wasOurs ? 50 : asideMs, stopping.signal)
      } catch (error) {
        failures = clock.monotonic() - since > 10_000 ? 0 : failures + 1
        if (!isTaken(error) && !isRemoved(error)) progress.tell('connection', receiveFault(error).message)
        await clock.sleep(50 + backoffMs(random, failures, 100, 5_000), stopping.signal)
      }
    }
  }
  const running = run()
  return { isReceiving: () => progress.isReceiving, state: () => progress.state(), async stop() { stopping.abort(); await running } }
}

/** Reads for as long as one connection lasts. Answers false where another process reads. */
function following(options: ReceiveOptions, progress: Reading['progress'], leaving: AbortSignal): (primary: PostgresAddress) => Promise<boolean> {
  const { store, clock, onFault } = options
  let [noted, wasLost, holeAhead]: [string | undefined, boolean, boolean] = [undefined, false, false]
  /** What the server no longer has, though it was asked for: `stored`, what comes behind the store; `slot`, what its slot was to keep. */
  let removed: 'stored' | 'slot' | undefined
  let asked: typeof removed
  const lookFromAside = createLookFromAside(options, progress)

  /** Behind what the store has, if the server still has that; else where the slot is. What is read twice is stored once. */
  const beginning = async (system: string, way: Way, slot: Slot): Promise<SegmentStart> => {
    const stored = storedUpTo(await readLog(store, system), way, progress.segmentBytes)
    const kept = segmentStart(slot.lsn, progress.segmentBytes)
    asked = stored !== undefined && stored < kept && removed === undefined ? 'stored' : 'slot'
    const lsn = asked === 'stored' && stored !== undefined ? stored : kept
    removed = undefined
    if (stored !== undefined && stored < lsn) {
      holeAhead = true
      onFault(`The log in ${store.name} has a hole from ${lsnText(stored)} to ${lsnText(lsn)}: the server had removed that before it was stored (${wasLost ? 'more waited than its max_slot_wal_keep_size' : `its slot ${options.slot} was not there`}). No moment in it can be restored; a full backup is made now, from which on all can.`)
    }
    if (asked === 'slot') wasLost = false
    return { lsn, timeline: timelineAt(way, lsn) }
  }

  return async (primary) => {
    const admin = await adminSession(primary, undefined, { answerMs })
    let session: pg.Client | undefined
    try {
      const { system, segmentBytes } = await serverFacts(admin)
      progress.segmentBytes = segmentBytes
      const note = await assertReceivable(admin, application)
      if (note !== undefined && noted === undefined) onFault(noted = note)
      const slot = await readySlot(admin, options.slot, removed === 'slot')
      wasLost ||= slot.wasLost
      if (slot.isBusy) { await lookFromAside(admin, system, slot); return false }
      const at = session = await replicationSession(primary, application)
      const answered = async <T>(answer: Promise<T>): Promise<T> => {
        const cancel = clock.after(answerMs, () => { void at.end() }) // which ends what is waited for, too
        return await answer.finally(cancel)
      }
      const storeHistory = async (timeline: number) => {
        const content = await answered(timelineHistory(at, timeline))
        await storeLogFile(store, system, historyName(timeline), content)
        return readHistory(content.toString('utf8'))
      }
      const timeline = await answered(serverTimeline(at))
      const onStored = () => { if (holeAhead) { holeAhead = false; options.onHole() } }
      const reading: Reading = { ...options, primary, admin, session: at, system, progress, leaving, onStored }
      let place: SegmentStart | undefined = await beginning(system, { timeline, ancestors: timeline > 1 ? await storeHistory(timeline) : [] }, slot)
      while (place) {
        const next: NextTimeline | undefined = await readTimeline(reading, place)
        place = next && { timeline: next.timeline, lsn: segmentStart(parseLsn(next.lsn), segmentBytes) }
        if (next) await storeHistory(next.timeline)
      }
      return true
    } catch (error) {
      if (isRemoved(error)) removed = asked
      throw error
    } finally {
      if (session) await leaveSession(session, clock)
      await leaveSession(admin, clock)
    }
  }
}

/** Another process reads; where that is another application's, or one with another store, nothing of it comes into ours. */
function createLookFromAside({ slot: name, store }: ReceiveOptions, progress: Reading['progress']) {
  let [first, looked]: [bigint | undefined, bigint | undefined] = [undefined, undefined]
  return async (admin: pg.Client, system: string, { lsn }: Slot): Promise<void> => {
    const kept = segmentStart(lsn, progress.segmentBytes)
    first ??= kept
    if (kept === looked) return
    const number = Math.max(0, Number(kept / BigInt(progress.segmentBytes)) - 1)
    const names = Array.from({ length: await currentTimeline(admin) }, (_, earlier) => segmentName(earlier + 1, number, progress.segmentBytes)).toReversed()
    let isStored = kept === first
    for (const before of names) isStored ||= (await store.list(walKey(system, before))).length > 0
    looked = kept
    progress.tell('connection', isStored ? undefined : `Another process reads the log by the slot ${name}, and ${names[0]} did not come into ${store.name}: end it, or give both the same store.`)
  }
}
