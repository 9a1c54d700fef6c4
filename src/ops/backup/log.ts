import { isBefore, isSegment, numberOf, readHistory, segmentName, segmentOf, timelineOf, walKey, walNameOf } from './wal.ts'
import { type BackupManifest } from './manifest.ts'
import { openSealed } from './sealed.ts'
import type { BackupStore } from './store.ts'
import { failed } from '../../base/index.ts'

/** What the store has of one database's log. */
export interface StoredLog {
  readonly names: ReadonlySet<string>
  /** The timelines that led to each that branched off. */
  readonly ancestors: ReadonlyMap<number, ReturnType<typeof readHistory>>
}

export async function readLog(store: BackupStore, system: string): Promise<StoredLog> {
  const names = new Set((await store.list(`wal/${system}/`)).map(({ key }) => walNameOf(key)))
  const histories = [...names].filter((name) => name.endsWith('.history'))
  const ancestors = new Map(await Promise.all(histories.map(async (name) => [timelineOf(name), readHistory((await readFile(store, system, name))?.toString('utf8') ?? '')] as const)))
  return { names, ancestors }
}

/** A file of the log; undefined when the store doesn't have it. Errors: `backup`, when it is not what was stored. */
export async function readFile(store: BackupStore, system: string, name: string): Promise<Buffer | undefined> {
  const key = walKey(system, name)
  const sealed = await store.get(key)
  if (!sealed) return undefined
  const content = await openSealed(sealed)
  if (content) return content
  throw failed('backup', `${key} in ${store.name} is damaged: restore to a time before it, or from a copy of the store.`)
}

/** A way that the database went, to its last segment. */
export interface Tip { readonly timeline: number; readonly last: string }

/** The timelines that go on behind where others branched off. After a restore there may be two: what was regretted, and what came instead; or two databases that both go on. */
export function tipsOf(log: StoredLog, segmentBytes: number): Tip[] {
  const timelines = [...new Set([...log.names].filter(isSegment).map(timelineOf))].toSorted((one, other) => one - other)
  return timelines.flatMap((timeline) => {
    const last = lastSegment(log, timeline)
    const left = [...log.ancestors.values()].flatMap((ancestors) => ancestors.filter((one) => one.timeline === timeline).map(({ leftAt }) => numberOf(segmentOf(timeline, leftAt, segmentBytes), segmentBytes)))
    return last && left.every((number) => numberOf(last, segmentBytes) > number) ? [{ timeline, last }] : []
  })
}

/** Undefined `wanted`: the only way that there is. Errors: `backup`, where there are several. */
export function timelineFor(store: BackupStore, log: StoredLog, backups: readonly BackupManifest[], wanted: number | undefined): number {
  if (wanted !== undefined) return wanted
  const tips = tipsOf(log, backups[0]?.segmentBytes ?? 2 ** 24)
  if (tips.length > 1) throw failed('backup', `The log in ${store.name} went several ways, since a restored copy has run, or a primary wrote on that had been deposed: ${tips.map(({ timeline, last }) => `timeline ${timeline} to ${last}`).join(', ')}. Say which by --timeline (after a failover the last).`)
  return tips[0]?.timeline ?? Math.max(1, ...backups.map(({ end }) => end.timeline))
}

/** Whether that timeline goes through that backup. */
export function leadsTo({ ancestors }: StoredLog, timeline: number, { end }: BackupManifest): boolean {
  if (end.timeline === timeline) return true
  const left = ancestors.get(timeline)?.find((one) => one.timeline === end.timeline)
  return left !== undefined && !isBefore(left.leftAt, end.lsn)
}

/** The first segment that is missing though there are later ones, behind that backup on the way to that timeline. */
export function firstGap({ names, ancestors }: StoredLog, backup: BackupManifest, timeline: number): string | undefined {
  const { segmentBytes } = backup
  const way = new Set([timeline, ...(ancestors.get(timeline) ?? []).map((one) => one.timeline)])
  const there = new Map([...names].filter((name) => isSegment(name) && way.has(timelineOf(name))).map((name) => [numberOf(name, segmentBytes), timelineOf(name)]))
  const last = [...there.keys()].reduce((most, number) => Math.max(most, number), 0)
  let on = backup.end.timeline
  for (let number = numberOf(segmentOf(on, backup.end.lsn, segmentBytes), segmentBytes) + 1; number < last; number++) {
    const found = there.get(number)
    if (found === undefined) return segmentName(on, number, segmentBytes)
    on = found
  }
  return undefined
}

/** The last segment on that timeline. */
export function lastSegment({ names }: StoredLog, timeline: number): string | undefined {
  return [...names].filter((name) => isSegment(name) && timelineOf(name) === timeline).toSorted().at(-1)
}
