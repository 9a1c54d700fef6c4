import { chown, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { failed, systemClock } from '../../base/index.ts'
import type { SystemUser } from '../../base/process.ts'
import { makeDirectoryOf } from '../rig/unprivileged.ts'
import { readFile, type StoredLog } from './log.ts'
import type { BackupManifest } from './manifest.ts'
import type { BackupStore } from './store.ts'
import { isSegment, numberOf, segmentName, segmentOf, timelineOf } from './wal.ts'

/**
 * How Postgres gets the log in a recovery. Its `restore_command` asks by a file and waits for the answer, since it runs as a user who knows no store:
 *
 *   <name>.wanted   Postgres asks
 *   <name>.file     here it is
 *   <name>.none     there is none: for Postgres the end of the log
 *   <name>.failed   it could not be had: Postgres must not take that for the end, and stops (an exit code above 125)
 *
 * Postgres reads ahead. Where it has a target it stops by itself when the log ends before that, so what can't be had is `none` there: the target may come first.
 */
export const recoveryFolder = 'tenfold_recovery'
const at = `${recoveryFolder}/%f`
export const restoreCommand = `rm -f ${at}.none ${at}.failed; : > ${at}.wanted || exit 200; i=0; while [ $i -lt 60000 ]; do [ -e ${at}.file ] && { mv ${at}.file "%p"; exit; }; [ -e ${at}.none ] && exit 1; [ -e ${at}.failed ] && exit 200; sleep 0.02 || sleep 1; i=$((i+1)); done; exit 200`

/** Segments that are fetched before they are asked for. */
const ahead = 4
const lookMs = 10

export interface LogServer {
  /** Why something could not be had; undefined when all could. */
  fault(): unknown
  /** Segments handed out so far. */
  served(): number
  stop(): Promise<void>
}

export interface ServedLog { readonly cluster: string; readonly user: SystemUser | undefined; readonly store: BackupStore; readonly log: StoredLog; readonly backup: BackupManifest; /** Whether there is a target before the end. */ readonly hasTarget: boolean; readonly signal: AbortSignal | undefined }

export async function serveLog({ cluster, user, store, log, backup, hasTarget, signal }: ServedLog): Promise<LogServer> {
  const folder = join(cluster, recoveryFolder)
  await rm(folder, { recursive: true, force: true })
  await makeDirectoryOf(user, folder)
  const fetched = new Map<string, Promise<Buffer | undefined>>()
  const stopping = new AbortController()
  let served = 0
  let fault: unknown
  const fetchOne = (name: string) => {
    let content = fetched.get(name)
    if (!content) fetched.set(name, content = log.names.has(name) ? readFile(store, backup.system, name) : Promise.resolve(undefined))
    content.catch(() => { /* told to who asks for it */ })
    return content
  }
  const answer = async (name: string) => {
    await rm(join(folder, `${name}.wanted`), { force: true })
    const say = async (ending: string, content: Uint8Array = new Uint8Array()) => {
      const draft = join(folder, `${name}.draft`)
      await writeFile(draft, content, { mode: 0o600 })
      if (user) await chown(draft, user.uid, user.gid)
      await rename(draft, join(folder, `${name}.${ending}`))
    }
    try {
      if (signal?.aborted) throw failed('backup', 'The recovery was interrupted: restore again.')
      if (isSegment(name)) for (let next = 0; next <= ahead; next++) void fetchOne(segmentName(timelineOf(name), numberOf(name, backup.segmentBytes) + next, backup.segmentBytes))
      const content = await fetchOne(name).finally(() => fetched.delete(name))
      if (content) { served++; return await say('file', content) }
      assertNoHole(name, log, backup, store)
      await say('none')
    } catch (error) {
      fault = error
      await say(hasTarget && !signal?.aborted ? 'none' : 'failed')
    }
  }
  const run = async () => {
    while (!stopping.signal.aborted) {
      const wanted = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.wanted')).map((name) => name.slice(0, -'.wanted'.length))
      for (const name of wanted) await answer(name)
      if (wanted.length === 0) await systemClock.sleep(lookMs, stopping.signal)
    }
  }
  const running = run().catch((error: unknown) => { fault ??= error }) // Postgres then waits in vain, and gives up
  return {
    fault: () => fault, served: () => served,
    async stop() {
      stopping.abort()
      await running
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The end of the log is where nothing comes behind it. What the backup itself brought need not be in the archive. */
function assertNoHole(name: string, { names }: StoredLog, { end, segmentBytes }: BackupManifest, store: BackupStore): void {
  if (!isSegment(name)) return
  const number = numberOf(name, segmentBytes)
  if (number <= numberOf(segmentOf(end.timeline, end.lsn, segmentBytes), segmentBytes)) return
  const later = [...names].some((other) => isSegment(other) && timelineOf(other) === timelineOf(name) && numberOf(other, segmentBytes) > number)
  if (later) throw missingSegment(name, store)
}

export function missingSegment(name: string, store: BackupStore) {
  return failed('backup', `The log in ${store.name} has a hole: the segment ${name} is missing, and later ones are there. Restore to a time before it, from a later backup, or from a copy of the store.`)
}

