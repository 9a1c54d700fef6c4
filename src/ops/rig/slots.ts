import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { PostgresAddress } from './base-backup.ts'

/** By which the primary of a rig knows its replica `replica-1`. */
export function slotOf(replica: string): string { return replica.replaceAll(/\W/g, '_') }

const ours = /^replica_\d+$/

/** The primary keeps the log for each replica that it was told of, also for one that comes no more: those slots are dropped. One that is used, or whose name is not ours, stays. */
export async function dropStaleSlots(server: PostgresAddress, directory: string, replicas: readonly string[]): Promise<void> {
  const kept = new Set(replicas.map(slotOf))
  const isStale = (slot: string) => ours.test(slot) && !kept.has(slot)
  const found = await readdir(join(directory, 'cluster', 'pg_replslot')).catch(() => undefined) // it may be another user's
  if (found && !found.some(isStale)) return
  const { host, port, user, password } = server
  const client = new pg.Client({ host, port, user, password, database: 'postgres' })
  client.on('error', () => { /* told by the query that fails */ })
  await client.connect()
  try {
    const { rows } = await client.query<{ slot: string }>(`select slot_name as slot from pg_replication_slots where slot_type = 'physical' and not active`)
    for (const { slot } of rows.filter((row) => isStale(row.slot))) await client.query('select pg_drop_replication_slot($1)', [slot]).catch((error: { code?: string }) => {
      if (error.code !== '55006' && error.code !== '42704') throw error // taken, or dropped, in between
    })
  } finally {
    await client.end()
  }
}
