import type pg from 'pg'
import { failed, parseLsn } from '../../base/index.ts'
import { type PostgresAddress } from '../rig/base-backup.ts'
import { adminSession } from './session.ts'

/** A physical slot: the server keeps its log from there on, and lets one process at a time read by it. */
export interface Slot {
  /** From where on the server keeps its log. */
  readonly lsn: bigint
  /** Whether a process reads by it. */
  readonly isBusy: boolean
  /** It was made just now. */
  readonly isNew: boolean
  /** It was there, and the server had given up what it kept. */
  readonly wasLost: boolean
}

/** Of a cluster all databases have the slots in common: each has one of its own. 63 letters at most. */
export function slotName(database: string): string { return `tenfold_log_${database.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`.slice(0, 63) }

interface Row { lsn: string | null; active: boolean; status: string | null }
const question = `select restart_lsn::text as lsn, active, wal_status as status from pg_replication_slots where slot_name = $1 and slot_type = 'physical'`

/** Makes it where there is none, and anew where the server has given up what it was to keep, or where that is known already (`isLost`). Errors: `backup`. */
export async function readySlot(session: pg.Client, name: string, isLost = false): Promise<Slot> {
  const { rows: [row] } = await session.query<Row>(question, [name])
  const wasLost = row !== undefined && !row.active && (isLost || row.status === 'lost' || row.lsn === null)
  if (row?.lsn && !wasLost) return { lsn: parseLsn(row.lsn), isBusy: row.active, isNew: false, wasLost }
  if (row?.active) return { lsn: 0n, isBusy: true, isNew: false, wasLost: false }
  if (row) await session.query('select pg_drop_replication_slot($1)', [name])
  await session.query('select pg_create_physical_replication_slot($1, true)', [name])
  const { rows: [made] } = await session.query<Row>(question, [name])
  if (!made?.lsn) throw failed('backup', `The server made no slot ${name}: see whether its max_replication_slots leaves one.`)
  return { lsn: parseLsn(made.lsn), isBusy: made.active, isNew: true, wasLost }
}

/**
 * The same slot on a standby of the cluster, up to what is stored: when it is the primary one day, it has kept what is not. (A standby
 * knows nothing of the primary's slots.) Errors: those of the server.
 */
export async function keepSlot(standby: PostgresAddress, name: string, stored: string): Promise<void> {
  const session = await adminSession(standby, undefined, { answerMs: 5_000 })
  try {
    const { rows: [row] } = await session.query<Row>(question, [name])
    if (row?.active) return
    const isUseless = row?.status === 'lost' || row?.lsn === null
    if (row && isUseless) await session.query('select pg_drop_replication_slot($1)', [name])
    if (!row || isUseless) await session.query('select pg_create_physical_replication_slot($1, true)', [name])
    else if (parseLsn(row.lsn ?? '0/0') < parseLsn(stored)) await session.query('select pg_replication_slot_advance($1, $2::pg_lsn)', [name, stored])
  } finally {
    await session.end()
  }
}
