import { hash } from 'node:crypto'
import { failed } from '../../base/index.ts'
import type { LogPlace } from '../rig/base-backup.ts'
import type { BackupStore } from './store.ts'

/**
 * A full backup in the store:
 *
 *   backups/<id>/started.json         first: whose it is, so that it can be cleared away when it is never finished
 *   backups/<id>/base-000001 ...      one zstd frame, cut into parts: a tar archive of the data directory, with the log that it needs to be of one moment
 *   backups/<id>/backup_manifest.zst  Postgres' own list of the files
 *   backups/<id>/manifest.json        last: without it there is no backup
 */
export interface BackupManifest {
  readonly format: 1
  readonly id: string
  /** The database's system identifier. */
  readonly system: string
  readonly postgres: string
  readonly tenfold: string
  /** Who may do all in what is restored. */
  readonly user: string
  /** The application's database, where it is not called as in a data directory of the application's own (`home`), which a restore makes of it. */
  readonly database?: { readonly name: string; readonly home: string }
  readonly segmentBytes: number
  /** ISO 8601, by the server's clock. What had been committed by `endedAt` is in it; nothing earlier can be restored from it. */
  readonly startedAt: string
  readonly endedAt: string
  readonly start: LogPlace
  readonly end: LogPlace
  readonly parts: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[]
  /** Of the files, and as stored. */
  readonly bytes: number
  readonly storedBytes: number
}

export const partKey = (id: string, name: string) => `backups/${id}/${name}`
const manifestKey = (id: string) => partKey(id, 'manifest.json')

/** The last line of the file is the SHA-256 of what stands before it. */
export async function writeManifest(store: BackupStore, manifest: BackupManifest): Promise<void> {
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  await store.put(manifestKey(manifest.id), Buffer.from(`${text}${hash('sha256', text)}\n`))
}

function readManifest(content: Buffer): BackupManifest | undefined {
  const [, text = '', digest] = /^([^]*\n)([0-9a-f]{64})\n$/.exec(content.toString('utf8')) ?? []
  if (hash('sha256', text) !== digest) return undefined
  const manifest = JSON.parse(text) as BackupManifest
  return manifest.format === 1 ? manifest : undefined
}

export interface Backups {
  /** Oldest first. */
  readonly whole: readonly BackupManifest[]
  /** Ids of those whose manifest can't be read: damaged, or of a newer Tenfold. */
  readonly damaged: readonly string[]
}

export async function listBackups(store: BackupStore): Promise<Backups> {
  const ids = (await store.list('backups/')).flatMap(({ key }) => /^backups\/([^/]+)\/manifest\.json$/.exec(key)?.[1] ?? [])
  const read = await Promise.all(ids.map(async (id) => {
    const content = await store.get(manifestKey(id))
    return { id, gone: !content, manifest: content && readManifest(content) }
  }))
  const whole = read.flatMap(({ manifest }) => manifest ?? []).toSorted((one, other) => (one.endedAt < other.endedAt ? -1 : 1))
  return { whole, damaged: read.filter(({ manifest, gone }) => !manifest && !gone).map(({ id }) => id) }
}

/** Those of one database, or of that id. Errors: `backup`, when there is none. */
export function chosenOf({ whole, damaged }: Backups, id: string, store: BackupStore): BackupManifest {
  const found = whole.find((one) => one.id === id)
  if (found) return found
  if (damaged.includes(id)) throw failed('backup', `The manifest of the backup ${id} in ${store.name} is damaged: use another backup.`)
  throw failed('backup', `There is no backup ${JSON.stringify(id)} in ${store.name}: tenfold backup list shows what there is.`)
}

/** Whose an unfinished backup is. */
export async function writeStarted(store: BackupStore, id: string, system: string): Promise<void> {
  await store.put(partKey(id, 'started.json'), Buffer.from(JSON.stringify({ system })))
}

/** Removes what killed backups of that database left. Only while no other backup of it can be under way. */
export async function clearUnfinished(store: BackupStore, system: string): Promise<void> {
  const names = Map.groupBy(await store.list('backups/'), ({ key }) => key.split('/')[1] ?? '')
  for (const [id, objects] of names) {
    const keys = objects.map(({ key }) => key)
    if (keys.includes(manifestKey(id))) continue
    const started = await store.get(partKey(id, 'started.json'))
    if (started && (JSON.parse(started.toString('utf8')) as { system: string }).system !== system) continue
    await store.remove([...keys.filter((key) => !key.endsWith('/started.json')), partKey(id, 'started.json')])
  }
}

/** The manifest goes first: what is left without it is no backup, and cleared away if we are killed now. */
export async function removeBackup(store: BackupStore, id: string): Promise<void> {
  const keys = (await store.list(`backups/${id}/`)).map(({ key }) => key)
  await store.remove([manifestKey(id)])
  const started = partKey(id, 'started.json')
  await store.remove(keys.filter((key) => key !== started && key !== manifestKey(id)))
  await store.remove([started])
}
