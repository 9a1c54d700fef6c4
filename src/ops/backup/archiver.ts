import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, failed } from '../../base/index.ts'
import { isMissing, makeDirectory } from '../../base/private-files.ts'
import { storedFolder } from '../rig/archiving.ts'
import { openSealed, sealContent } from './sealed.ts'
import type { BackupStore } from './store.ts'
import { isArchivable, isSegment, timelineOf, walKey } from './wal.ts'

/** How a database's log gets from its directory to the store; `rig/archiving.ts` has the other half. */
export interface Archiver {
  /** Stores what waits. Answers whether there may be more at once. Errors: `backup`; what was not stored still waits. */
  pass(): Promise<boolean>
  state(): ArchiveState
  /** Whoever waits is told that nobody stores any more. */
  close(): Promise<void>
}

export interface ArchiveState {
  /** Files that wait. */
  readonly waiting: number
  /** For how long the oldest of them has, in milliseconds. */
  readonly oldestMs: number
  readonly storedFiles: number
  /** Why the last pass failed; undefined when it did not. */
  readonly fault: string | undefined
}

/** A segment is some 40 MB of memory while it is packed. */
const atOnce = 2
const passMax = 64

/**
 * `cluster`: the data directory as Postgres knows it, whose log becomes ready there. `system` is asked when there is something to store.
 * Of two databases that would write the same name, only the first does: what the store has is never overwritten by something else.
 */
export function createArchiver({ cluster, store, system, clock }: { cluster: string; store: BackupStore; system: () => Promise<string>; clock: Clock }): Archiver {
  const folder = join(cluster, storedFolder)
  let state: ArchiveState = { waiting: 0, oldestMs: 0, storedFiles: 0, fault: undefined }
  let histories: Set<string> | undefined
  const close = () => rm(join(folder, 'open'), { force: true })
  const storeOne = async (name: string) => {
    await storeLogFile(store, await system(), name, await readFile(join(cluster, 'pg_wal', name)))
    state = { ...state, storedFiles: state.storedFiles + 1 }
  }
  const work = async (): Promise<boolean> => {
    const { names, oldestMs } = await waiting(cluster, clock.now())
    const found: string[] = await readdir(folder).catch(() => [])
    const marked = new Set(found.filter((name) => name !== 'open'))
    const unknown = names.filter((name) => !marked.has(name))
    state = { ...state, waiting: unknown.length, oldestMs: unknown.length > 0 ? oldestMs : 0 }
    const now = unknown.slice(0, passMax)
    for (let at = 0; at < now.length; at += atOnce) {
      await Promise.all(now.slice(at, at + atOnce).map(async (name) => { await storeOne(name); await openFolder(folder); await writeFile(join(folder, name), '', { mode: 0o644 }) }))
    }
    // A restored database's history was written while nothing was archived.
    histories ??= new Set()
    for (const name of (await readdir(join(cluster, 'pg_wal'))).filter((one) => one.endsWith('.history') && isArchivable(one) && !histories?.has(one))) { await storeOne(name); histories.add(name) }
    for (const name of marked) if (!names.includes(name)) await rm(join(folder, name), { force: true })
    state = { ...state, waiting: unknown.length - now.length, oldestMs: unknown.length > now.length ? oldestMs : 0, fault: undefined }
    if (!found.includes('open')) { await openFolder(folder); await writeFile(join(folder, 'open'), '', { mode: 0o644 }) } // each start of Postgres closes it
    return unknown.length > now.length
  }
  return {
    state: () => state,
    async pass() {
      try {
        return await work()
      } catch (error) {
        if (isMissing(error)) return false // no database yet, or one that is just going
        state = { ...state, fault: (error as Error).message }
        await close().catch(() => {})
        throw error
      }
    },
    close,
  }
}

/** For the user that Postgres runs as to look into. */
async function openFolder(folder: string): Promise<void> { await makeDirectory(folder, 0o755) }

async function waiting(cluster: string, nowMs: number): Promise<{ names: string[]; oldestMs: number }> {
  const status = join(cluster, 'pg_wal', 'archive_status')
  const names = (await readdir(status)).filter((name) => name.endsWith('.ready')).map((name) => name.slice(0, -'.ready'.length)).filter(isArchivable)
  // histories first, then in the order of the log
  const sorted = names.toSorted((one, other) => Number(isSegment(one.slice(0, 24))) - Number(isSegment(other.slice(0, 24))) || timelineOf(one) - timelineOf(other) || (one < other ? -1 : 1))
  const since = await Promise.all(sorted.map(async (name) => (await stat(join(status, `${name}.ready`)).catch(() => undefined))?.mtimeMs ?? nowMs))
  return { names: sorted, oldestMs: Math.max(0, nowMs - Math.min(nowMs, ...since)) }
}

/** Stores one file of the log, once. Errors: `backup`, when the store has something else of that name. */
export async function storeLogFile(store: BackupStore, system: string, name: string, content: Uint8Array): Promise<void> {
  const key = walKey(system, name)
  if (await store.create(key, await sealContent(content))) return
  const known = await store.get(key)
  const before = known && await openSealed(known)
  if (before && Buffer.compare(before, content) === 0) return
  throw failed('backup', `${store.name} has another ${key}, which is not overwritten: two copies of one database archive into one store, or the file is damaged. Give one of them a store of its own.`)
}
