import pg from 'pg'
import { failed, lsnText, parseLsn } from '../../base/index.ts'
import type { Connection } from '../../data/index.ts'
import { exportSnapshot } from '../rig/exported-snapshot.ts'
import { type Change, createChangeReader } from './changes.ts'
import { migrationsTable, type Table } from './tables.ts'

/** Of the slot and of the publication, on the server that is left. */
const name = 'tenfold_move'

/** All that was committed before `lsn`, and nothing since, for whoever names it in SET TRANSACTION SNAPSHOT before `release`. */
export interface Snapshot { readonly lsn: bigint; readonly name: string; release(): Promise<void> }

/** `kept`: the changes from there on are kept for `readChanges`, also when this process dies. Errors: `topology`. */
export async function takeSnapshot(connection: Connection, { kept }: { kept: boolean }): Promise<Snapshot> {
  try {
    const { lsn, ...snapshot } = await exportSnapshot(connection, connection.database, kept ? { keptAs: name } : {})
    return { ...snapshot, lsn: parseLsn(lsn) }
  } catch (cause) {
    throw failed('topology', `The database that is left makes no replication slot (${(cause as Error).message}): end the transactions that have been open there for long (pg_stat_activity), let it have a slot more (max_replication_slots), and run it again; or stop the application first.`, { cause })
  }
}

/** Whether the changes since an earlier begin are kept; `lost`: they were, and came to more than the disk may hold (`max_slot_wal_keep_size`). */
export async function slotState(client: pg.Client): Promise<'none' | 'kept' | 'lost'> {
  const { rows: [slot] } = await client.query<{ status: string }>(`select coalesce(wal_status, 'lost') as status from pg_replication_slots where slot_name = $1`, [name])
  if (!slot) return 'none'
  return slot.status === 'lost' ? 'lost' : 'kept'
}

/** From now on the changes of these tables are told, and that the application was migrated. One without a key tells old rows whole; of one that is not logged nothing is told. Errors: `topology`, where one without a key cannot be locked; the driver's. */
export async function publish(client: pg.Client, tables: readonly Table[]): Promise<void> {
  const told = tables.filter(({ isLogged }) => isLogged)
  await client.query(`set lock_timeout = '5s'`)
  for (const { name: table } of told.filter(({ hasIdentity }) => !hasIdentity)) await client.query(`alter table ${table} replica identity full`).catch((cause: unknown) => { throw (cause as { code?: string }).code === '55P03' ? failed('topology', `${table}, which has no key, could not be locked for a moment, since a transaction has used it for long: end that (pg_stat_activity), and run it again.`, { cause }) : cause })
  const { rowCount } = await client.query('select from pg_publication where pubname = $1', [name])
  const list = [migrationsTable, ...told.map((table) => table.name)].join(', ')
  await client.query(rowCount === 0 ? `create publication ${name} for table ${list}` : `alter publication ${name} set table ${list}`)
  await client.query('reset lock_timeout')
}

/** Nothing is kept there any more for a move. */
export async function dropSlot(client: pg.Client): Promise<void> {
  await client.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`, [name])
  await client.query(`drop publication if exists ${name}`)
}

/** Where the log ends: what commits from now on stands behind it. */
export async function endOfLog(client: pg.Client): Promise<bigint> {
  const { rows: [row] } = await client.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn')
  return parseLsn(row?.lsn ?? '0/0')
}

/** How far the log that is kept reaches, in bytes. */
export async function bytesBehind(client: pg.Client): Promise<number> {
  const { rows: [row] } = await client.query<{ bytes: number }>(`select (pg_current_wal_flush_lsn() - confirmed_flush_lsn)::float8 as bytes from pg_replication_slots where slot_name = $1`, [name])
  return row?.bytes ?? 0
}

/** Of changes; a transaction that is larger comes whole. */
const changesAtOnce = 20_000
const fetchedAtOnce = 1_000

/** Tells the changes that are kept, in the order of their commits, up to that place; answers whether these were all. They are told again until `forget`. */
export async function readChanges(client: pg.Client, until: bigint, told: (change: Change) => Promise<void>): Promise<{ all: boolean }> {
  const read = createChangeReader(pg.escapeIdentifier)
  let count = 0
  await client.query('begin')
  try {
    await client.query(`declare changes no scroll cursor for select data from pg_logical_slot_peek_binary_changes('${name}', '${lsnText(until)}', ${changesAtOnce}, 'proto_version', '1', 'publication_names', '${name}')`)
    for (;;) {
      const { rows } = await client.query<{ data: Buffer }>(`fetch ${fetchedAtOnce} from changes`)
      for (const { data } of rows) {
        const change = read(data)
        if (change) await told(change)
      }
      count += rows.length
      if (rows.length < fetchedAtOnce) return { all: count < changesAtOnce }
    }
  } finally {
    await client.query('rollback').catch(() => { /* the connection is gone */ })
  }
}

/** What stands before that place need not be kept any longer. */
export async function forget(client: pg.Client, before: bigint): Promise<void> {
  await client.query('select pg_replication_slot_advance($1, $2::pg_lsn) from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn < $2::pg_lsn', [name, lsnText(before)])
}
