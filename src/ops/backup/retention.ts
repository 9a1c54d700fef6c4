import { type BackupManifest, listBackups, removeBackup } from './manifest.ts'
import type { BackupStore } from './store.ts'
import { isSegment, numberOf, segmentOf, walNameOf } from './wal.ts'

export interface Removed { readonly backups: readonly string[]; readonly logFiles: number }

/** Removes a database's backups beyond the newest `keep`, and the log that none of those kept needs. Other databases' in the same store are left alone. */
export async function removeOld(store: BackupStore, system: string, keep: number): Promise<Removed> {
  const { whole, damaged } = await listBackups(store)
  const ours = whole.filter((one) => one.system === system)
  const old = ours.slice(0, Math.max(0, ours.length - Math.max(1, keep)))
  for (const { id } of old) await removeBackup(store, id)
  const oldest = ours[old.length]
  // One whose manifest cannot be read may need any of it.
  if (!oldest || damaged.length > 0) return { backups: old.map(({ id }) => id), logFiles: 0 }
  const gone = (await store.list(`wal/${system}/`)).filter(({ key }) => isOlder(walNameOf(key), oldest)).map(({ key }) => key)
  await store.remove(gone)
  return { backups: old.map(({ id }) => id), logFiles: gone.length }
}

/** By its number, whatever its timeline; histories stay. */
function isOlder(name: string, { start, segmentBytes }: BackupManifest): boolean {
  const segment = name.slice(0, 24)
  return isSegment(segment) && numberOf(segment, segmentBytes) < numberOf(segmentOf(start.timeline, start.lsn, segmentBytes), segmentBytes)
}

