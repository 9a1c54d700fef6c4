import pg from 'pg'
import { failed, systemClock, systemRandom } from '../../base/index.ts'
import { type PostgresAddress, sessionOptions } from '../rig/base-backup.ts'
import { adminSession } from './session.ts'

/** A place in the log, and a session that sees just what had been committed before it. */
export interface Moment { readonly lsn: string; readonly session: pg.Client }

/** How long transactions that are under way may hold it up, in milliseconds. */
const patienceMs = 60_000

/**
 * Takes a moment of a running database without stopping its writers: a logical slot's first snapshot is of exactly the transactions whose commits lie before the slot's consistent point.
 * (PostgreSQL documentation, "Logical Decoding Concepts", "Exported Snapshots".) Errors: `backup`.
 */
export async function takeMoment(server: PostgresAddress, database: string): Promise<Moment> {
  const options: pg.ClientConfig & { replication: string } = { ...sessionOptions(server, database), replication: 'database' }
  const slots = new pg.Client(options)
  slots.on('error', () => {})
  const cancel = systemClock.after(patienceMs, () => { void slots.end() })
  try {
    await slots.connect()
    const { rows: [slot] } = await slots.query<{ consistent_point: string; snapshot_name: string }>(`CREATE_REPLICATION_SLOT tenfold_drill_${systemRandom.hex(4)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')`)
    if (!slot) throw failed('internal', 'The server made no slot.')
    const session = await adminSession(server, database)
    await session.query(`begin isolation level repeatable read read only`)
    await session.query(`set transaction snapshot ${pg.escapeLiteral(slot.snapshot_name)}`)
    return { lsn: slot.consistent_point, session }
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string }
    if (code === '55000') throw failed('backup', `A drill compares at a place in the log, for which the database needs wal_level = logical (${message}): set it, and start the database again.`, { cause })
    if (code === '53400') throw failed('backup', `A drill needs a replication slot, and all are taken (${message}): raise max_replication_slots, or drop one that nobody uses.`, { cause })
    throw failed('backup', `No moment of the running database could be taken within ${patienceMs / 1000} s (${message}): see whether a transaction has been open for long, and try again.`, { cause })
  } finally {
    cancel()
    await slots.end()
  }
}
