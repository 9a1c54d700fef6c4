import pg from 'pg'
import { failed, systemClock } from '../../base/index.ts'
import { catchUp } from './catch-up.ts'
import { bringTables, openSession } from './copy.ts'
import { type Ends, isThere, moveFault, type MoveOptions, openEnds } from './move.ts'
import { bytesBehind, dropSlot, endOfLog, publish, slotState, takeSnapshot } from './slot.ts'

export interface FollowOptions extends MoveOptions {
  readonly settled: Map<string, number>
  readonly status: (text: string) => void
  /** All of it is there, was verified, and follows: told once. */
  readonly onInStep: () => void
  readonly signal: AbortSignal
}

/** How often what was committed is brought over once all is in step, in milliseconds. */
const everyMs = 200
const statusEveryMs = 5_000

/**
 * Copies a database that is in use, verifies the copy, and then does there what is done here, until the source is gone (which is no
 * error) or `signal` is aborted. (PostgreSQL documentation, "Logical Decoding": a slot gives one moment of the database, and all changes
 * since.) Killed, it goes on where it stood; the changes since are kept by the slot, as far as the disk may hold them, and else it begins
 * anew. The target asks for them, not the source: a database that is reached by nobody but this machine can be moved, too.
 * Errors: `topology`; the driver's, of the target.
 */
export async function follow({ status, onInStep, signal, onTable, ...options }: FollowOptions): Promise<void> {
  const ends = await openEnds(options)
  const leave = () => { void ends.close() }
  signal.addEventListener('abort', leave, { once: true })
  try {
    if (!ends.isReplica) throw failed('topology', `The role ${options.target.user} may not set session_replication_role on the server to move to, without which what was done once is done twice by triggers there: grant set on parameter session_replication_role to it, or stop the application before it is moved.`)
    await bringOver(ends, options.source, { status, onTable })
    onInStep()
    while (!signal.aborted) {
      await catchUp({ ...ends, until: await endOfLog(ends.source) })
      await systemClock.sleep(everyMs, signal)
    }
  } catch (error) {
    if (!signal.aborted && await isThere(ends.source)) throw await moveFault(error, ends)
  } finally {
    signal.removeEventListener('abort', leave)
    await ends.close()
  }
}

async function bringOver(ends: Ends, from: MoveOptions['source'], { status, onTable }: Pick<FollowOptions, 'status' | 'onTable'>): Promise<void> {
  const { source, notes, tables } = ends
  const resumes = notes.from.size > 0 && await slotState(source) === 'kept'
  if (!resumes) {
    await dropSlot(source)
    await notes.reset()
  }
  await publish(source, tables)
  if (!resumes) await bringAt(ends, from, { kept: true, status, onTable })
  // At one moment again, since a long copy is one of long ago; what did not change since is not compared again.
  await bringAt(ends, from, { kept: false, status, onTable: (progress) => { if (resumes || progress.copied) onTable(progress) } })
}

async function bringAt(ends: Ends, from: MoveOptions['source'], { kept, status, onTable }: { kept: boolean } & Pick<FollowOptions, 'status' | 'onTable'>): Promise<void> {
  const snapshot = await takeSnapshot(from, { kept })
  try {
    const source = await openSession(from)
    try {
      await source.query('begin isolation level repeatable read read only')
      await source.query(`set transaction snapshot ${pg.escapeLiteral(snapshot.name)}`)
      let toldAt = systemClock.monotonic()
      await catchUp({
        ...ends, until: snapshot.lsn,
        async onStep() {
          if (systemClock.monotonic() - toldAt < statusEveryMs) return
          toldAt = systemClock.monotonic()
          status(`${(await bytesBehind(ends.source) / 1024 ** 2).toFixed(0)} MB of the log are still to be brought over`)
        },
      })
      await bringTables({ ...ends, source, lsn: snapshot.lsn, onTable })
    } finally {
      await source.end().catch(() => { /* it has ended */ })
    }
  } finally {
    await snapshot.release().catch(() => { /* it has ended */ })
  }
}
