import type pg from 'pg'
import { type Clock, lsnText, parseLsn, type Random } from '../../base/index.ts'
import type { PostgresAddress } from '../rig/base-backup.ts'
import { type NextTimeline, streamLog } from './log-stream.ts'
import type { Progress } from './progress.ts'
import { isRefused, receiveFault } from './receive-faults.ts'
import { createAssembler } from './segments.ts'
import { createShipper } from './shipper.ts'
import { keepSlot } from './slot.ts'
import type { SegmentStart } from './start-place.ts'
import type { BackupStore } from './store.ts'

/** One connection to one primary. */
export interface Reading {
  readonly primary: PostgresAddress
  readonly admin: pg.Client
  readonly session: pg.Client
  readonly system: string
  readonly slot: string
  readonly store: BackupStore
  readonly progress: Progress
  readonly loseAtMostMs: number
  readonly clock: Clock
  readonly random: Random
  /** The primary, as the hosts say now. */
  readonly server: () => Promise<PostgresAddress>
  readonly onBegun: () => void
  readonly onStored: () => void
  /** Aborted: we leave, once the end of the log is stored, if it can be had soon. */
  readonly leaving: AbortSignal
}

/** How often it is seen to whether a segment is to be closed, and who is the primary; and how long until who was refused tries again; in milliseconds. */
const [tickMs, primaryMs, refusedMs] = [500, 5_000, 3_000]
/** How long the end of the log may take to reach the store when we leave, in milliseconds. */
const leaveMs = 8_000
/** Whole segments that are held in memory, while the store is slower than the server. */
const heldMax = 2

/** Reads one timeline from there on, into the store. Answers where the log goes on; undefined when the connection ended in good order. Errors: what the server or the network said. */
export async function readTimeline(reading: Reading, { timeline, lsn }: SegmentStart): Promise<NextTimeline | undefined> {
  const { session, slot, store, system, progress, clock, random, onBegun, onStored } = reading
  const assembler = createAssembler({ timeline, lsn, segmentBytes: progress.segmentBytes })
  progress.marks.begin(lsn)
  const shipper = createShipper({ store, system, clock, random, onFault: (reason) => progress.tell('store', reason), onStored({ end }) {
    progress.storedFiles += 1
    progress.marks.stored(end)
    stream.confirm(end)
    if (shipper.waiting() < heldMax) stream.resume()
    onStored()
  } })
  const stream = streamLog({
    session, slot, timeline, lsn, clock,
    onBegun() {
      progress.tell('connection', undefined)
      if (!progress.isReceiving) { progress.isReceiving = true; onBegun() }
    },
    onData(bytes) {
      for (const segment of assembler.add(bytes)) shipper.push(segment)
      if (shipper.waiting() >= heldMax) stream.pause()
    },
  })
  const over = new AbortController()
  // A server that shuts down ends the session by which it is seen to, and then waits until all that it sent is stored: it need not, since the slot keeps that.
  void seeTo(reading, over.signal, () => shipper.waiting()).catch((error: unknown) => { if (!over.signal.aborted) progress.tell('connection', receiveFault(error).message) }).finally(() => stream.end())
  try {
    return await stream.ended
  } finally {
    over.abort()
    progress.isReceiving = false
    await shipper.close()
  }
}

/** Closes segments in time, and keeps the standbys' slots; ends where the primary is another, or we are to leave. */
async function seeTo(reading: Reading, over: AbortSignal, waiting: () => number): Promise<void> {
  const { primary, admin, slot, progress: { marks }, progress, loseAtMostMs, clock, leaving } = reading
  let [askedFor, notBefore, lookedAt, keeping]: [bigint | undefined, number, number, Promise<void> | undefined] = [undefined, -Infinity, -Infinity, undefined]
  const others = primary.hosts?.filter(({ host, port }) => host !== primary.host || port !== primary.port) ?? []
  const isLeft = AbortSignal.any([over, leaving])
  while (!isLeft.aborted) {
    await clock.sleep(Math.min(tickMs, loseAtMostMs / 2), isLeft)
    if (over.aborted) return
    const reached = parseLsn(await answerOf(admin, 'select pg_current_wal_flush_lsn()::text'))
    marks.reached(reached, clock.monotonic())
    const segment = reached / BigInt(progress.segmentBytes)
    // While the store takes nothing, more segments would only fill the server's disk sooner.
    if (progress.isReceiving && waiting() === 0 && askedFor !== segment && clock.monotonic() - (marks.since() ?? Infinity) >= loseAtMostMs && clock.monotonic() >= notBefore) {
      if (await closeSegment(reading) === undefined) notBefore = clock.monotonic() + refusedMs
      else askedFor = segment
    }
    if (others.length === 0 || clock.monotonic() - lookedAt < primaryMs) continue
    lookedAt = clock.monotonic()
    const now = await reading.server()
    if (now.host !== primary.host || now.port !== primary.port) return
    keeping ??= Promise.allSettled(others.map((one) => keepSlot({ ...primary, ...one }, slot, lsnText(marks.upTo)))).then(() => { keeping = undefined })
  }
  if (!over.aborted) await handOver(reading, over)
  await keeping
}

/** Answers where it ended; undefined where the server does not let us. */
async function closeSegment({ admin, progress }: Reading): Promise<bigint | undefined> {
  try {
    const end = parseLsn(await answerOf(admin, 'select pg_switch_wal()::text'))
    progress.tell('closing', undefined)
    return end
  } catch (error) {
    if (!isRefused(error)) throw error
    progress.tell('closing', receiveFault(error).message)
    return undefined
  }
}

async function handOver(reading: Reading, over: AbortSignal): Promise<void> {
  const { clock, progress } = reading
  const end = await closeSegment(reading) ?? 0n
  for (const until = clock.monotonic() + leaveMs; progress.marks.upTo < end && progress.fault('store') === undefined && clock.monotonic() < until && !over.aborted;) await clock.sleep(20)
}

async function answerOf(session: pg.Client, text: string): Promise<string> {
  const { rows: [row] } = await session.query<[string]>({ text, rowMode: 'array' })
  return row?.[0] ?? ''
}
