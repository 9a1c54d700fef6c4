import type pg from 'pg'
import { type Clock, milliseconds, type Random } from '../../base/index.ts'
import type { BackupPolicy } from '../../topology/index.ts'
import type { PostgresAddress } from '../rig/base-backup.ts'
import { firstGap, leadsTo, readLog } from './log.ts'
import { type BackupManifest, listBackups } from './manifest.ts'
import { removeOld } from './retention.ts'
import { adminSession, currentTimeline, serverFacts } from './session.ts'
import type { BackupStore } from './store.ts'
import { takeBackup } from './take.ts'

/** Keeps a database backed up as its policy says: whoever asks it to, often enough. Of many processes one makes the backup. */
export interface Keeper {
  /** Writes a sign of life into the log, so that any moment can be asked for, and makes a backup when one is due. Errors: `backup`. */
  pass(): Promise<void>
  /** For who makes none, since another process does: sees when the last was made. Errors: `backup`. */
  look(): Promise<void>
  /** The log in the store may have a hole: the next pass looks, rather than trust what is remembered. */
  doubt(): void
  /** When the newest backup ended, in milliseconds since the epoch; undefined when none is known. */
  lastBackupAt(): number | undefined
}

export interface KeeperOptions {
  readonly policy: BackupPolicy
  readonly store: BackupStore
  /** The primary, as it is now. */
  readonly server: () => Promise<PostgresAddress>
  /** The application's database, where it is not called as in a data directory of the application's own. */
  readonly database?: BackupManifest['database']
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  readonly onBackup: (id: string, reason: string) => void
}

/** How often all that is in the store is looked at, rather than what is remembered of it, in milliseconds. */
const lookMs = 3_600_000
/** A backup that failed may have copied all: the next try is not before so long, and twice as long each time, up to an hour; in milliseconds. */
const pauseMs = 30_000

export function createKeeper({ policy, store, server, database, clock, random, signal, onBackup }: KeeperOptions): Keeper {
  const everyMs = milliseconds(policy.every ?? '1d')
  let last: number | undefined
  let lookedAt = -Infinity
  let [failures, notBefore] = [0, -Infinity]
  const ask = async (address: PostgresAddress, beats: boolean) => {
    const session = await adminSession(address)
    try {
      if (beats) await session.query(`select pg_logical_emit_message(true, 'tenfold', 'alive')`)
      return await needed(session)
    } finally {
      await session.end()
    }
  }
  const needed = async (session: pg.Client): Promise<string | undefined> => {
    if (last !== undefined && clock.now() - last < everyMs && clock.monotonic() - lookedAt < lookMs) return undefined
    const found = await whyDue(session, store, everyMs, clock.now())
    last = found.lastMs
    lookedAt = clock.monotonic()
    return found.reason
  }
  return {
    lastBackupAt: () => last,
    async look() { await ask(await server(), false) },
    doubt() { [lookedAt, notBefore] = [-Infinity, -Infinity] },
    async pass() {
      const address = await server()
      const reason = await ask(address, true)
      if (reason === undefined || clock.monotonic() < notBefore) return
      failures++
      notBefore = clock.monotonic() + Math.min(3_600_000, pauseMs * 2 ** (failures - 1))
      const made = await takeBackup({ server: address, store, random, signal, database, isDue: async (session) => (await whyDue(session, store, everyMs, clock.now())).reason !== undefined })
      ;[failures, notBefore] = [0, -Infinity]
      if (!made) return
      last = Date.parse(made.endedAt)
      await removeOld(store, made.system, policy.keep ?? 7)
      onBackup(made.id, reason)
    },
  }
}

/** Why a full backup is needed now; `reason` is undefined when none is. */
async function whyDue(session: pg.Client, store: BackupStore, everyMs: number, nowMs: number): Promise<{ reason: string | undefined; lastMs: number | undefined }> {
  const { system } = await serverFacts(session)
  const ours = (await listBackups(store)).whole.filter((one) => one.system === system)
  const timeline = await currentTimeline(session)
  const log = await readLog(store, system)
  const newest = ours.findLast((one) => leadsTo(log, timeline, one)) // a copy that was restored elsewhere may have made the others
  if (!newest) return { reason: ours.length === 0 ? 'there was none' : `none leads to timeline ${timeline}, on which the database goes on`, lastMs: undefined }
  const lastMs = Date.parse(newest.endedAt)
  if (nowMs - lastMs >= everyMs) return { reason: 'the last is old enough', lastMs }
  const gap = firstGap(log, newest, timeline)
  return { reason: gap ? `the log behind the last has a hole at ${gap}` : undefined, lastMs }
}
