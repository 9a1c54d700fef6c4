import { failed } from '../../base/index.ts'
import { firstGap, leadsTo, readLog, type StoredLog, timelineFor } from './log.ts'
import { type BackupManifest, chosenOf, listBackups } from './manifest.ts'
import { missingSegment } from './serve-log.ts'
import type { BackupStore } from './store.ts'

/** Up to where: the end of what the store has; a moment, as Postgres reads it; or a place in the log. */
export type Target = { readonly kind: 'latest' } | { readonly kind: 'time'; readonly text: string; readonly ms: number } | { readonly kind: 'lsn'; readonly lsn: string }

export interface PlanOptions {
  readonly target: Target
  /** Undefined: the only way that the log goes. */
  readonly timeline?: number | undefined
  /** Undefined: the newest that ended before the target. */
  readonly backupId?: string | undefined
  /** Undefined: the database of that backup, or of the newest. */
  readonly system?: string | undefined
}

export interface Plan {
  readonly store: BackupStore
  readonly target: Target
  readonly backup: BackupManifest
  readonly log: StoredLog
  readonly timeline: number
}

/** `--to`: `latest`, or a moment with its zone, to the microsecond. Errors: `usage`. */
export function readTarget(text: string, nowMs: number): Target {
  if (text === 'latest') return { kind: 'latest' }
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  const ms = Date.parse(text.replace(' ', 'T'))
  const exists = year !== undefined && Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (Number.isNaN(ms) || !exists) throw failed('usage', `--to is ${JSON.stringify(text)}: use latest, or a moment with its zone, such as ${new Date(Math.floor(nowMs / 1000) * 1000).toISOString().replace('.000', '')}.`)
  if (ms > nowMs) throw failed('usage', `--to is ${text}, which has not come yet: use latest, or a moment that has passed.`)
  return { kind: 'time', text, ms }
}

/** Finds what is needed, and that it is there, before anything is fetched. Errors: `backup`. */
export async function planRestore(store: BackupStore, { target, timeline: wanted, backupId, system: of }: PlanOptions): Promise<Plan> {
  const backups = await listBackups(store)
  const { whole, damaged } = backups
  const newest = whole.at(-1)
  if (!newest) throw failed('backup', damaged.length > 0 ? `The manifests of all backups in ${store.name} are damaged (${damaged.join(', ')}): use a copy of the store.` : `There is no backup in ${store.name}: tenfold backup makes one.`)
  const chosen = backupId === undefined ? undefined : chosenOf(backups, backupId, store)
  const { system } = of === undefined ? chosen ?? newest : { system: of }
  const ours = whole.filter((one) => one.system === system)
  if (ours.length === 0) throw failed('backup', `There is no backup of this database in ${store.name}: tenfold backup makes one.`)
  const log = await readLog(store, system)
  const timeline = timelineFor(store, log, ours, wanted)
  const isEarly = ({ endedAt }: BackupManifest) => target.kind !== 'time' || Date.parse(endedAt) <= target.ms
  const fitting = ours.filter((one) => isEarly(one) && leadsTo(log, timeline, one))
  if (chosen && !fitting.includes(chosen)) throw failed('backup', `The backup ${chosen.id} ended at ${chosen.endedAt} on timeline ${chosen.end.timeline}, and leads to no earlier moment and no timeline beside it: use an earlier backup.`)
  const backup = chosen ?? fitting.at(-1)
  if (!backup) {
    const first = ours.find((one) => leadsTo(log, timeline, one))
    throw failed('backup', first ? `The first backup in ${store.name} ended at ${first.endedAt}: nothing before that can be restored.` : `No backup in ${store.name} leads to timeline ${timeline}: use --timeline with another.`)
  }
  const gap = target.kind === 'latest' ? firstGap(log, backup, timeline) : undefined // with a target the hole may lie behind it
  if (gap) throw missingSegment(gap, store)
  return { store, target, backup, log, timeline }
}
