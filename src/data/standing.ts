import { type Clock, parseLsn, type Position } from '../base/index.ts'
import { setbackMs } from './lag.ts'
import type { Lane } from './lane.ts'
import type { Statement } from './transaction.ts'

/** Where one Postgres stands, in its own words. */
export interface Standing {
  /** Of the cluster: the same on a primary and on every copy of it. */
  readonly system: string
  /** When this server was started: after another start it may stand further back than before. */
  readonly startedAt: string
  readonly isStandby: boolean
  readonly position: Position
  /** What it knows of the primary's last heartbeat, in milliseconds of the primary's clock; undefined where there is no such table. */
  readonly beatAt: number | undefined
}

// A primary names its log's files by its timeline, eight digits; a standby cannot, but knows whose log it receives, or else its last checkpoint's.
const timeline = (received: string) => `case when pg_is_in_recovery() then coalesce(${received}, (select timeline_id from pg_control_checkpoint())) else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline`
const received = { ours: 'tenfold.received_timeline()', plain: '(select received_tli from pg_stat_wal_receiver)' }
const log = 'pg_is_in_recovery() as standby, coalesce(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, \'0/0\')::text as lsn'

/** The questions, for a database that has the platform's tables (`ours`), and for any other. */
const questions = {
  position: { ours: { name: 'tenfold_position', text: `select ${log}, ${timeline(received.ours)}` }, plain: { name: 'tenfold_position', text: `select ${log}, ${timeline(received.plain)}` } },
  standing: Object.fromEntries((['ours', 'plain'] as const).map((kind) => [kind, {
    name: 'tenfold_standing',
    text: `select ${log}, ${timeline(received[kind])}, (select system_identifier::text from pg_control_system()) as system, extract(epoch from pg_postmaster_start_time())::text as started,
      ${kind === 'ours' ? '(select extract(epoch from at) * 1000 from tenfold.heartbeat)::float8' : 'null::float8'} as beat`,
  }])) as Record<'ours' | 'plain', Statement>,
} as const

interface PositionRow { standby: boolean; lsn: string; timeline: number }
interface StandingRow extends PositionRow { system: string; started: string; beat: number | null }

const positionIn = ({ lsn, timeline: of }: PositionRow, database: string, clock: Clock): Position => ({ database, timeline: of, lsn: parseLsn(lsn), at: clock.now() })

/**
 * A question that goes out right behind a read, on its connection: where the server is then is at or beyond all that the read has seen.
 * It costs no way there and back of its own.
 */
export interface Sight { readonly statement: Statement; tell(rows: readonly unknown[]): void }

/** Of a primary: where its log is written up to; of a standby: where it is replayed up to. */
export function positionStatement(kind: 'ours' | 'plain'): Statement { return questions.position[kind] }
export function positionOf(rows: readonly unknown[], database: string, clock: Clock): Position & { readonly isStandby: boolean } {
  const row = rows[0] as PositionRow
  return { ...positionIn(row, database, clock), isStandby: row.standby }
}

/** One question for several reads of one server: what answers the longer one answers the other. */
export function fullest(sights: readonly Sight[]): Sight | undefined { return sights.find(({ statement }) => statement !== replayedStatement) ?? sights[0] }

/** The same of a standby whose timeline is known, for less. */
export const replayedStatement: Statement = { name: 'tenfold_replayed', text: `select coalesce(pg_last_wal_replay_lsn(), '0/0')::text as lsn` }
export function replayedPosition(rows: readonly unknown[], timelineThere: number, database: string, clock: Clock): Position {
  return positionIn({ ...rows[0] as Pick<PositionRow, 'lsn' | 'standby'>, timeline: timelineThere }, database, clock)
}

export async function askStanding(lane: Lane, kind: 'ours' | 'plain', database: string, clock: Clock): Promise<Standing> {
  const row = (await lane.run(questions.standing[kind])).rows[0] as StandingRow
  return { system: row.system, startedAt: row.started, isStandby: row.standby, position: positionIn(row, database, clock), beatAt: row.beat ?? undefined }
}

/** Of many processes one writes it, whichever comes first; all learn when it was written last, by the primary's clock, and what that clock says now. */
const beat: Statement = {
  name: 'tenfold_beat',
  // One from the future is of a primary before this one, whose clock was ahead: waited for, it would hide what lags for as long.
  text: `with beaten as (update tenfold.heartbeat set at = clock_timestamp() where at not between clock_timestamp() - interval '90 ms' and clock_timestamp() + interval '${setbackMs} ms' returning at)
    select extract(epoch from coalesce((select at from beaten), (select at from tenfold.heartbeat))) * 1000 as at, extract(epoch from clock_timestamp()) * 1000 as now`,
}
export const beatStatement = beat

export interface LeftTimeline { readonly timeline: number; readonly leftAt: bigint }

/** The timelines that the primary came from, and where each was left; none where that cannot be known. */
export async function askLeftTimelines(lane: Lane): Promise<LeftTimeline[]> {
  const { rows } = await lane.run({ text: 'select timeline, left_at::text as left_at from tenfold.left_timelines()' })
  return (rows as { timeline: number; left_at: string }[]).map((row) => ({ timeline: row.timeline, leftAt: parseLsn(row.left_at) }))
}
