import { access, rm } from 'node:fs/promises'
import pg from 'pg'
import { failed, systemClock } from '../../base/index.ts'
import { lockFile } from '../../base/process-lock.ts'
import { waitFor } from '../../base/process.ts'
import type { PostgresAddress } from '../rig/base-backup.ts'
import { openHome } from '../rig/cluster.ts'
import { type Difference, differences, fingerprints } from './fingerprint.ts'
import { lastSegment, readLog } from './log.ts'
import { takeMoment } from './moment.ts'
import { planRestore } from './plan.ts'
import { receiveFault } from './receive-faults.ts'
import { recover } from './recover.ts'
import { adminSession, currentTimeline, serverFacts } from './session.ts'
import type { BackupStore } from './store.ts'
import { walKey } from './wal.ts'

export interface DrillOptions {
  readonly server: PostgresAddress
  readonly database: string
  readonly store: BackupStore
  /** Where the restored database stands meanwhile; whatever is there is a killed drill's, and removed. */
  readonly directory: string
  readonly onStatus?: (text: string) => void
  readonly onBytes?: (bytes: number) => void
  readonly signal?: AbortSignal
}

export interface DrillReport {
  /** Whether every table was restored to the row. */
  readonly same: boolean
  readonly backup: string
  /** The place in the log at which both were compared. */
  readonly lsn: string
  /** From nothing to a database that answers. */
  readonly rtoSeconds: number
  /** How much would have been lost, had the machine been lost when this was asked: the time since the newest log in the store; NaN where the server does not say. */
  readonly rpoSeconds: number
  readonly tables: number
  readonly rows: number
  readonly segments: number
  readonly differences: readonly Difference[]
}

/** What the running database keeps for itself where the drill is on its disk. */
const reserveBytes = 512 * 1024 ** 2
/** How long the log up to the moment may take to come into the store, in milliseconds. */
const archivedMs = 90_000

/** Restores the newest backup to now, beside the running database, and compares the two. Leaves nothing. Errors: `backup`, `start`. */
export async function drillRestore(options: DrillOptions): Promise<DrillReport> {
  const { directory } = options
  const lock = await lockFile(`${directory}.lock`)
  if ('ownerPid' in lock) throw failed('backup', `Another drill (pid ${lock.ownerPid}) is under way in ${directory}: wait until it has ended.`)
  try {
    await clear(directory)
    return await drill(options)
  } finally {
    await clear(directory)
    await lock.release()
  }
}

async function clear(directory: string): Promise<void> {
  if (!await access(directory).then(() => true, () => false)) return
  await (await openHome(directory)).release() // ends what still runs there
  await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

async function drill(options: DrillOptions): Promise<DrillReport> {
  const { server, database, store, directory, signal, onStatus = () => {} } = options
  const admin = await adminSession(server)
  try {
    const { system } = await serverFacts(admin)
    const timeline = await currentTimeline(admin)
    const rpoSeconds = await lossSeconds(admin, store, system, timeline)
    const moment = await takeMoment(server, database)
    const running = fingerprints(moment.session).finally(() => moment.session.end()) // what it sees keeps dead rows from being cleared away
    running.catch(() => { /* waited for below */ })
    try {
      onStatus('Waiting until the log up to now is in the store')
      await untilArchived(admin, store, system, signal)
      const began = systemClock.monotonic()
      const plan = await planRestore(store, { target: { kind: 'lsn', lsn: moment.lsn }, timeline, system })
      const recovered = await recover({ plan, directory, onStatus, reserveBytes, ...options.onBytes && { onBytes: options.onBytes }, ...signal && { signal } })
      try {
        const session = await recovered.connect(database)
        await session.query('select 1')
        const rtoSeconds = (systemClock.monotonic() - began) / 1000
        onStatus('Comparing every table')
        const [one, other] = await Promise.all([running, fingerprints(session)])
        await session.end()
        const found = differences(one, other)
        const rows = [...one.values()].reduce((sum, table) => sum + Number(table.rows), 0)
        return { same: found.length === 0, backup: plan.backup.id, lsn: moment.lsn, rtoSeconds, rpoSeconds, tables: one.size, rows, segments: recovered.segments, differences: found }
      } finally {
        await recovered.close()
      }
    } finally {
      await running.catch(() => { /* told, where it is not a failure that is told already */ })
    }
  } finally {
    await admin.end()
  }
}

/** The time since the newest segment in the store was closed. */
async function lossSeconds(admin: pg.Client, store: BackupStore, system: string, timeline: number): Promise<number> {
  const log = await readLog(store, system)
  const newest = Array.from({ length: timeline }, (_, earlier) => lastSegment(log, timeline - earlier)).find((name) => name !== undefined) // just after a failover none of the new timeline is there
  if (!newest) throw failed('backup', `${store.name} holds no log of this database, so what came since the last backup would be lost: give the topology backup: { to: ... }, and start the application with it.`)
  const age = (closed: string) => admin.query<{ seconds: number | null }>(`select extract(epoch from clock_timestamp() - coalesce(${closed}, (select last_archived_time from pg_stat_archiver)))::float8 as seconds`)
  const { rows: [closed] } = await age(`(select modification from pg_ls_waldir() where name = ${pg.escapeLiteral(newest)})`).catch((error: { code?: string }) => { if (error.code === '42501') return age('null::timestamptz'); throw error })
  return Math.max(0, closed?.seconds ?? Number.NaN)
}

async function untilArchived(admin: pg.Client, store: BackupStore, system: string, signal: AbortSignal | undefined): Promise<void> {
  const { rows: [at] } = await admin.query<{ name: string }>(`select pg_walfile_name(pg_logical_emit_message(true, 'tenfold', 'drill')) as name`)
  await admin.query('select pg_switch_wal()').catch((error: unknown) => { throw receiveFault(error) })
  const key = walKey(system, at?.name ?? '')
  const there = await waitFor(async () => { signal?.throwIfAborted(); return (await store.list(key)).length > 0 || undefined }, { timeoutMs: archivedMs, everyMs: 100 })
  if (!there) throw failed('backup', `The log did not come into ${store.name} within ${archivedMs / 1000} s: see whether the application runs with backup in its topology, and what it says of archiving.`)
}
