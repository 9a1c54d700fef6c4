import { join } from 'node:path'
import { milliseconds, reasonOf, systemClock, systemRandom } from '../base/index.ts'
import type { Check } from '../http/index.ts'
import type { Logs, Metrics } from '../observe/index.ts'
import type { Archiving } from '../ops/rig/archiving.ts'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'
import { startLoop } from '../resilience/index.ts'
import type { BackupPolicy } from '../topology/index.ts'
import type { DataDirectory } from './data-directory.ts'

/** An embedded database that is backed up while it runs. */
export interface Backups {
  readonly archive: Archiving
  readonly checks: readonly Check[]
  /** The server runs. Answers what ends it before the server does. */
  begin(server: PostgresAddress, metrics: Metrics): Promise<() => Promise<void>>
  /** Ends the rest, after the server has ended: what it hands over when it leaves is stored too. */
  close(): Promise<void>
}

/** How often the log is looked at, in milliseconds: a segment that is full waits no longer than that. */
const lookMs = 500

/** Errors: `usage`, `secret`, when the store can't be the one that is meant. That it can't be reached now is told later, and lost is nothing meanwhile. */
export async function prepareBackups(policy: BackupPolicy, { file }: Pick<DataDirectory, 'file'>, logs: Logs): Promise<Backups> {
  const { adminSession, createArchiver, createFileKeeper, createKeeper, openStore, serverFacts } = await import('../ops/backup/index.ts') // most have none
  const store = await openStore(policy)
  const loseAtMostMs = milliseconds(policy.loseAtMost ?? '60s')
  let server: PostgresAddress | undefined
  let known: Promise<string> | undefined
  const system = async () => {
    known ??= asked(async () => {
      const session = await adminSession(server as PostgresAddress)
      return await serverFacts(session).finally(() => session.end())
    })
    return await known
  }
  const asked = (ask: () => Promise<{ system: string }>) => ask().then((facts) => facts.system, (error: unknown) => { known = undefined; throw error })
  const archiver = createArchiver({ cluster: join(file('postgres'), 'cluster'), store, system, clock: systemClock })
  const stopping = new AbortController()
  let archiving: { stop(): Promise<void> } | undefined
  let lastBackupAt: () => number | undefined = () => undefined
  const loop = (name: string, everyMs: number, pass: () => Promise<boolean>) => startLoop(systemClock, systemRandom, everyMs, pass, (error) => { if (!stopping.signal.aborted) logs.error(`${name} failed and will try again`, { reason: reasonOf(error) }) })
  const ageSeconds = () => { const at = lastBackupAt(); return at === undefined ? Number.NaN : (systemClock.now() - at) / 1000 }
  const everySeconds = milliseconds(policy.every ?? '1d') / 1000
  return {
    archive: { timeoutSeconds: Math.ceil(loseAtMostMs / 1000) },
    checks: [
      { name: 'archive', required: false, run: async () => {
        const { waiting, oldestMs, fault } = archiver.state()
        return { ok: fault === undefined && oldestMs < 2 * loseAtMostMs + 30_000, detail: `${waiting} files of the log wait for the store, the oldest for ${Math.round(oldestMs / 1000)} s${fault ? `: ${fault}` : ''}` }
      } },
      { name: 'backup', required: false, run: async () => ({ ok: ageSeconds() < 2 * everySeconds, detail: lastBackupAt() === undefined ? 'there is none yet' : `the last is ${Math.round(ageSeconds())} s old` }) },
    ],
    async begin(address, metrics) {
      server = address
      await system()
      metrics.gauge('tenfold_archive_waiting_files', 'Files of the database log that wait for the store of backups', {}, () => archiver.state().waiting)
      metrics.gauge('tenfold_archive_oldest_seconds', 'For how long the oldest of them has waited', {}, () => archiver.state().oldestMs / 1000)
      metrics.gauge('tenfold_archive_failing', '1 while the store of backups does not take the log', {}, () => (archiver.state().fault === undefined ? 0 : 1))
      metrics.gauge('tenfold_backup_age_seconds', 'The time since the last full backup ended', {}, ageSeconds)
      archiving = loop('archiving', lookMs, () => archiver.pass())
      const keeper = createKeeper({ policy, store, server: address, clock: systemClock, random: systemRandom, signal: stopping.signal, onBackup: (id, reason) => logs.info('a backup was made', { id, reason }) })
      lastBackupAt = () => keeper.lastBackupAt()
      const files = createFileKeeper(file('files'), store, (path) => logs.error('an uploaded file is damaged, and is not backed up', { path }))
      const loops = [loop('the backup', loseAtMostMs, async () => { await keeper.pass(); return false }), loop('storing uploaded files', loseAtMostMs, async () => { await files.pass(); return false })]
      return async () => { stopping.abort(); await Promise.all(loops.map((one) => one.stop())) }
    },
    async close() {
      if (!archiving) return
      await archiving.stop()
      await archiver.pass().catch((error: unknown) => logs.error('the end of the log is not in the store yet: the next start stores it', { reason: reasonOf(error) }))
      await archiver.close()
    },
  }
}
