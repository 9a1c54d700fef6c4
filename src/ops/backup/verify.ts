import { reasonOf } from '../../base/index.ts'
import { faultsOfFiles } from './files.ts'
import { firstGap, leadsTo, readFile, readLog, tipsOf } from './log.ts'
import { type BackupManifest, listBackups } from './manifest.ts'
import { missingSegment } from './serve-log.ts'
import { openSealed } from './sealed.ts'
import type { BackupStore } from './store.ts'
import { isSegment, numberOf, segmentOf } from './wal.ts'
import { partsOf } from './unpack.ts'

export interface Verified {
  readonly backups: readonly { readonly id: string; readonly fault: string | undefined }[]
  readonly logFiles: number
  /** What is wrong with the log, each in one sentence. */
  readonly logFaults: readonly string[]
  /** Files that were uploaded to the application. */
  readonly files: number
  readonly fileFaults: readonly string[]
}

const atOnce = 4

/** Reads all that is in the store, and holds it against its checksums. Errors: `backup`, when the store can't be read at all. */
export async function verifyStore(store: BackupStore, onBytes: (bytes: number) => void = () => {}): Promise<Verified> {
  const { whole, damaged } = await listBackups(store)
  const backups: { id: string; fault: string | undefined }[] = damaged.map((id) => ({ id, fault: `The manifest of the backup ${id} in ${store.name} is damaged: it can't be restored.` }))
  for (const backup of whole) backups.push({ id: backup.id, fault: await faultOf(store, backup, onBytes) })
  const logFaults: string[] = []
  let logFiles = 0
  for (const [system, ours] of Map.groupBy(whole, (one) => one.system)) {
    const log = await readLog(store, system).catch((error: unknown) => { logFaults.push(reasonOf(error)); return undefined })
    if (!log) continue
    const oldest = ours[0] as BackupManifest
    const gaps = tipsOf(log, oldest.segmentBytes).flatMap(({ timeline }) => {
      const first = ours.find((one) => leadsTo(log, timeline, one))
      return first ? firstGap(log, first, timeline) ?? [] : []
    })
    for (const gap of new Set(gaps)) logFaults.push(missingSegment(gap, store).message)
    const names = [...log.names].filter((name) => !isSegment(name) || numberOf(name, oldest.segmentBytes) >= numberOf(segmentOf(1, oldest.start.lsn, oldest.segmentBytes), oldest.segmentBytes)).toSorted()
    logFiles += names.length
    for (let at = 0; at < names.length; at += atOnce) {
      await Promise.all(names.slice(at, at + atOnce).map(async (name) => {
        try { onBytes((await readFile(store, system, name))?.length ?? 0) } catch (error) { logFaults.push(reasonOf(error)) }
      }))
    }
  }
  const { files, faults: fileFaults } = await faultsOfFiles(store, onBytes)
  return { backups: backups.toSorted((one, other) => (one.id < other.id ? -1 : 1)), logFiles, logFaults, files, fileFaults }
}

async function faultOf(store: BackupStore, backup: BackupManifest, onBytes: (bytes: number) => void): Promise<string | undefined> {
  try {
    for await (const part of partsOf(store, backup, onBytes)) void part
    const list = await store.get(`backups/${backup.id}/backup_manifest.zst`)
    return list && await openSealed(list) ? undefined : `Postgres' own list of the files of the backup ${backup.id} in ${store.name} is damaged.`
  } catch (error) {
    return reasonOf(error)
  }
}
