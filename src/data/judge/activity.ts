import type pg from 'pg'

/** What the open transaction of this session has done to the team's tables so far, as Postgres counts it (pg_stat_xact_user_tables), by oid. */
export type Activity = ReadonlyMap<string, Counts>
interface Counts {
  readonly oid: string
  /** Scans that found their rows by no index; they count when they begin, whether there are rows or not. */
  readonly sequential: number
  readonly byIndex: number
  readonly inserted: number
  readonly changed: number
}

export async function readActivity(client: pg.Client): Promise<Activity> {
  const { rows } = await client.query<Counts>(`select relid::text as oid, seq_scan::float8 as sequential, coalesce(idx_scan, 0)::float8 as "byIndex", n_tup_ins::float8 as inserted, (n_tup_upd + n_tup_del)::float8 as changed from pg_stat_xact_user_tables`)
  return new Map(rows.map((row) => [row.oid, row]))
}

/** What was done between the two. */
export function activityBetween(before: Activity, after: Activity): Activity {
  return new Map([...after].map(([oid, now]) => {
    const was = before.get(oid)
    return [oid, { oid, sequential: now.sequential - (was?.sequential ?? 0), byIndex: now.byIndex - (was?.byIndex ?? 0), inserted: now.inserted - (was?.inserted ?? 0), changed: now.changed - (was?.changed ?? 0) }]
  }))
}

/** Tables that were read from end to end. */
export const readWhole = (activity: Activity) => [...activity.values()].filter(({ sequential }) => sequential > 0).map(({ oid }) => oid)

/** Whether nothing but inserting was done to it: an UPDATE or DELETE looks for its rows first. */
export function onlyInserted(activity: Activity, oid: string): boolean {
  const counts = activity.get(oid)
  return counts !== undefined && counts.inserted > 0 && counts.sequential === 0 && counts.byIndex === 0 && counts.changed === 0
}

export const looked = (activity: Activity) => [...activity.values()].some(({ sequential, byIndex, changed }) => sequential > 0 || byIndex > 0 || changed > 0)
