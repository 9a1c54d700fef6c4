import { join } from 'node:path'
import { milliseconds, reasonOf, systemClock, systemRandom } from '../base/index.ts'
import { type Connection, findPrimary } from '../data/index.ts'
import type { Check } from '../http/index.ts'
import type { Logs, Metrics } from '../observe/index.ts'
import type { Archiving } from '../ops/rig/archiving.ts'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'
import { startLoop } from '../resilience/index.ts'
import type { BackupPolicy } from '../topology/index.ts'
import type { DataDirectory } from './data-directory.ts'

/** A database that is backed up while it runs. */
export interface Backups {
  /** What an embedded server is told of its log; a server elsewhere is told nothing. */
  readonly archive: Archiving | 'off'
  readonly checks: readonly Check[]
  /** The server runs. Answers what ends it before the server does. */
  begin(server: PostgresAddress, metrics: Metrics): Promise<() => Promise<void>>
  /** Ends the rest, after the server has ended: what it hands over when it leaves is stored too. */
  close(): Promise<void>
}

type Tools = typeof import('../ops/backup/index.ts')
type Store = Awaited<ReturnType<Tools['openStore']>>
type Place = Pick<DataDirectory, 'file'>

/** How the log gets into the store. */
interface LogWay {
  state(): ReturnType<ReturnType<Tools['createArchiver']>['state']>
  /** Whether it is this process that sees to it, and so to the backups. */
  isOurs(): boolean
}

/** How often the log is looked at, in milliseconds: a segment that is full waits no longer than that. */
const lookMs = 500

const loadTools = (): Promise<Tools> => import('../ops/backup/index.ts') // most have no backups

/** Of an embedded database, whose log is in our directory. Errors: `usage`, `secret`, when the store can't be the one that is meant. That it can't be reached now is told later, and lost is nothing meanwhile. */
export async function prepareBackups(policy: BackupPolicy, place: Place, logs: Logs): Promise<Backups> {
  const tools = await loadTools()
  const store = await tools.openStore(policy)
  let server: PostgresAddress | undefined
  let known: Promise<string> | undefined
  const asked = async () => {
    const session = await tools.adminSession(server as PostgresAddress)
    return (await tools.serverFacts(session).finally(() => session.end())).system
  }
  const system = () => known ??= asked().catch((error: unknown) => { known = undefined; throw error })
  const archiver = tools.createArchiver({ cluster: join(place.file('postgres'), 'cluster'), store, system, clock: systemClock })
  const kept = keepBackedUp({ tools, policy, store, place, logs, way: { state: () => archiver.state(), isOurs: () => true } })
  let archiving: { stop(): Promise<void> } | undefined
  return {
    archive: { timeoutSeconds: Math.ceil(kept.loseAtMostMs / 1000) }, checks: kept.checks,
    async begin(address, metrics) {
      server = address
      await system()
      archiving = kept.loop('archiving', lookMs, () => archiver.pass())
      return kept.begin({ server: async () => address }, metrics).end
    },
    async close() {
      if (!archiving) return
      await archiving.stop()
      await archiver.pass().catch((error: unknown) => logs.error('the end of the log is not in the store yet: the next start stores it', { reason: reasonOf(error) }))
      await archiver.close()
    },
  }
}

/**
 * Of servers elsewhere, whose log is received. Of several processes one does it: who has the slot. `home`: what the application's database is called in a data directory of its own.
 * Errors: as of `prepareBackups`.
 */
export async function prepareServerBackups(policy: BackupPolicy, place: Place, logs: Logs, home: string): Promise<Backups> {
  const tools = await loadTools()
  const store = await tools.openStore(policy)
  let receiver: ReturnType<Tools['createReceiver']> | undefined
  const way: LogWay = { state: () => receiver?.state() ?? { waiting: 0, oldestMs: 0, storedFiles: 0, fault: undefined }, isOurs: () => receiver?.isReceiving() === true }
  const kept = keepBackedUp({ tools, policy, store, place, logs, way })
  return {
    archive: 'off', checks: kept.checks,
    async begin(address, metrics) {
      const connection: Connection = { database: 'postgres', ...address }
      const server = () => findPrimary(connection, systemClock)
      const { end, look } = kept.begin({ server, ...connection.database !== home && { database: { name: connection.database, home } } }, metrics)
      receiver = tools.createReceiver({
        server, store, slot: tools.slotName(connection.database), loseAtMostMs: kept.loseAtMostMs, clock: systemClock, random: systemRandom,
        onFault: (reason) => logs.error('the database log does not come into the store as it should', { reason }), onBegun: look, onHole: look,
      })
      return async () => { await end(); await receiver?.stop() }
    },
    async close() {},
  }
}

interface Kept { readonly tools: Tools; readonly policy: BackupPolicy; readonly store: Store; readonly place: Place; readonly logs: Logs; readonly way: LogWay }

/** What is the same wherever the log comes from: full backups, uploaded files, and what is told of all that. */
function keepBackedUp({ tools, policy, store, place, logs, way }: Kept) {
  const [loseAtMostMs, everySeconds] = [milliseconds(policy.loseAtMost ?? '60s'), milliseconds(policy.every ?? '1d') / 1000]
  const stopping = new AbortController()
  let lastBackupAt: () => number | undefined = () => undefined
  const loop = (name: string, everyMs: number, pass: () => Promise<boolean>) => startLoop(systemClock, systemRandom, everyMs, pass, (error) => { if (!stopping.signal.aborted) logs.error(`${name} failed and will try again`, { reason: reasonOf(error) }) })
  const ageSeconds = () => { const at = lastBackupAt(); return at === undefined ? Number.NaN : (systemClock.now() - at) / 1000 }
  const checks: Check[] = [
    { name: 'archive', required: false, run: async () => {
      const { waiting, oldestMs, fault } = way.state()
      const detail = way.isOurs() || fault ? `${waiting} files of the log wait for the store, the oldest for ${Math.round(oldestMs / 1000)} s${fault ? `: ${fault}` : ''}` : 'another process stores the log'
      return { ok: fault === undefined && oldestMs < 2 * loseAtMostMs + 30_000, detail }
    } },
    { name: 'backup', required: false, run: async () => ({ ok: ageSeconds() < 2 * everySeconds, detail: lastBackupAt() === undefined ? 'there is none yet' : `the last is ${Math.round(ageSeconds())} s old` }) },
  ]
  /** `look`: the store is looked at, and a backup made where one is needed, at once. */
  const begin = (of: { server: () => Promise<PostgresAddress>; database?: { readonly name: string; readonly home: string } }, metrics: Metrics) => {
    metrics.gauge('tenfold_archive_waiting_files', 'Files of the database log that wait for the store of backups', {}, () => way.state().waiting)
    metrics.gauge('tenfold_archive_oldest_seconds', 'For how long the oldest of them has waited', {}, () => way.state().oldestMs / 1000)
    metrics.gauge('tenfold_archive_failing', '1 while the store of backups does not take the log', {}, () => (way.state().fault === undefined ? 0 : 1))
    metrics.gauge('tenfold_backup_age_seconds', 'The time since the last full backup ended', {}, ageSeconds)
    const keeper = tools.createKeeper({ policy, store, ...of, clock: systemClock, random: systemRandom, signal: stopping.signal, onBackup: (id, reason) => logs.info('a backup was made', { id, reason }) })
    lastBackupAt = () => keeper.lastBackupAt()
    const files = tools.createFileKeeper(place.file('files'), store, (path) => logs.error('an uploaded file is damaged, and is not backed up', { path }))
    const backing = loop('the backup', loseAtMostMs, async () => { await (way.isOurs() ? keeper.pass() : keeper.look()); return false })
    const keeping = loop('storing uploaded files', loseAtMostMs, async () => { await files.pass(); return false })
    return {
      look() { keeper.doubt(); backing.wake() },
      async end() { stopping.abort(); await Promise.all([backing.stop(), keeping.stop()]) },
    }
  }
  return { checks, begin, loop, loseAtMostMs }
}
