import pg from 'pg'
import { failed } from '../../base/index.ts'
import { type ExportedSnapshot, exportSnapshot, patienceMs } from '../rig/exported-snapshot.ts'
import type { PostgresAddress } from '../rig/base-backup.ts'
import { adminSession } from './session.ts'

/** A place in the log, and a session that sees just what had been committed before it. */
export interface Moment { readonly lsn: string; readonly session: pg.Client }

/** Takes a moment of a running database without stopping its writers. Errors: `backup`. */
export async function takeMoment(server: PostgresAddress, database: string): Promise<Moment> {
  let snapshot: ExportedSnapshot | undefined
  try {
    snapshot = await exportSnapshot(server, database)
    const session = await adminSession(server, database)
    try {
      await session.query(`begin isolation level repeatable read read only`)
      await session.query(`set transaction snapshot ${pg.escapeLiteral(snapshot.name)}`)
    } catch (error) {
      await session.end()
      throw error
    }
    return { lsn: snapshot.lsn, session }
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string }
    if (code === '55000') throw failed('backup', `A drill compares at a place in the log, for which the database needs wal_level = logical (${message}): set it, and start the database again.`, { cause })
    if (code === '53400') throw failed('backup', `A drill needs a replication slot, and all are taken (${message}): raise max_replication_slots, or drop one that nobody uses.`, { cause })
    throw failed('backup', `No moment of the running database could be taken within ${patienceMs / 1000} s (${message}): see whether a transaction has been open for long, and try again.`, { cause })
  } finally {
    await snapshot?.release()
  }
}
