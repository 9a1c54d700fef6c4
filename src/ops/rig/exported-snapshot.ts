import pg from 'pg'
import { systemClock, systemRandom } from '../../base/index.ts'
import { type PostgresAddress, sessionOptions } from './base-backup.ts'

/** A place in the log, and the name of a snapshot that sees just what had been committed before it, until `release`. */
export interface ExportedSnapshot { readonly lsn: string; readonly name: string; release(): Promise<void> }

/** A slot begins when every transaction that is open has ended: for so long that is waited for, in milliseconds. */
export const patienceMs = 60_000

/**
 * A moment of a running database, without stopping its writers: a logical slot's first snapshot is of exactly the transactions whose commits lie before the slot's consistent point.
 * (PostgreSQL documentation, "Logical Decoding Concepts", "Exported Snapshots".) `keptAs`: the slot stays under that name, and keeps all changes since. Errors: the driver's.
 */
export async function exportSnapshot(server: PostgresAddress, database: string, { keptAs }: { keptAs?: string } = {}): Promise<ExportedSnapshot> {
  const options: pg.ClientConfig & { replication: string } = { ...sessionOptions(server, database), replication: 'database' }
  const session = new pg.Client(options)
  session.on('error', () => { /* told by the query that fails */ })
  const release = () => session.end()
  const cancel = systemClock.after(patienceMs, () => { void release() })
  try {
    await session.connect()
    const { rows: [slot] } = await session.query<{ consistent_point: string; snapshot_name: string }>(`CREATE_REPLICATION_SLOT ${keptAs ?? `tenfold_look_${systemRandom.hex(4)} TEMPORARY`} LOGICAL pgoutput (SNAPSHOT 'export')`)
    const { consistent_point: lsn = '0/0', snapshot_name: name = '' } = slot ?? {}
    return { lsn, name, release }
  } catch (error) {
    await release().catch(() => { /* it has ended */ })
    throw error
  } finally {
    cancel()
  }
}
