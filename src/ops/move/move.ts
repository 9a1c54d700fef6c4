import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import copyStreams from 'pg-copy-streams'
import { failed } from '../../base/index.ts'
import type { Connection } from '../../data/index.ts'
import { clientOptions } from '../../data/index.ts'
import { copySequences, sameText, type Sum, sumOf, type Table, tablesOf } from './tables.ts'

export interface MoveOptions {
  /** As somebody who sees every row. Nobody writes there meanwhile. */
  readonly source: Connection
  /** As the owner of the tables, which are there by the same migrations, and empty. */
  readonly target: Connection
  readonly schemas: readonly string[]
  readonly onTable: (progress: { readonly table: string; readonly number: number; readonly of: number; readonly rows: number; readonly copied: boolean }) => void
}

/** `onVerified` writes down that all of it is there; until it has, a move that is killed can be run again. */
export interface MoveEnd { readonly onVerified: (moved: Moved) => Promise<void> }

export interface Moved { readonly tables: number; readonly rows: number }

/** What a move that was broken off has done; gone when its end is written down. */
const notes = 'public.tenfold_move'

/**
 * Copies every row of these schemas from one database to another, and verifies it by counts and checksums. A move that was killed goes on
 * where it stood: each table is copied and noted in one transaction. Errors: `topology`, where the target holds rows of its own, or rows
 * differ after all; the driver's.
 */
export async function moveRows({ source: from, target: to, schemas, onTable, onVerified }: MoveOptions & MoveEnd): Promise<Moved> {
  const [source, target] = await Promise.all([open(from), open(to)])
  try {
    await source.query('begin isolation level repeatable read read only')
    const tables = await tablesOf(source, schemas)
    await assertSameTables(tables, await tablesOf(target, schemas))
    await begin(target, tables)
    let rows = 0
    for (const [index, table] of tables.entries()) {
      const sum = await sumOf(source, table)
      rows += sum.rows
      const copied = await copyOnce(source, target, table, sum)
      onTable({ table: table.name, number: index + 1, of: tables.length, rows: sum.rows, copied })
    }
    await copySequences(source, target, schemas)
    await target.query('analyze')
    const moved = { tables: tables.length, rows }
    await onVerified(moved)
    await target.query(`drop table ${notes}`)
    return moved
  } finally {
    await Promise.allSettled([source.end(), target.end()])
  }
}

async function open(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client(clientOptions(connection))
  client.on('error', () => { /* told by the query that fails */ })
  await client.connect()
  await client.query(sameText)
  return client
}

async function assertSameTables(source: readonly Table[], target: readonly Table[]): Promise<void> {
  const there = new Map(target.map((table) => [table.name, table.columns.toSorted().join()]))
  const differing = source.filter(({ name, columns }) => there.get(name) !== columns.toSorted().join())
  if (differing.length > 0) throw failed('topology', `The tables ${differing.map(({ name }) => name).join(', ')} are not the same on both servers: run tenfold migrate where this database is, and again.`)
}

/** Takes an empty database, or one that a move has begun to fill. What migrations have put there themselves goes: it comes with the rest. */
async function begin(target: pg.Client, tables: readonly Table[]): Promise<void> {
  const { rows: [found] } = await target.query<{ noted: boolean }>(`select to_regclass('${notes}') is not null as noted`)
  if (found?.noted) return
  const { rows: used } = await target.query<{ used: boolean }>(`select exists (select from tenfold.records) or exists (select from tenfold.runs) or exists (select from tenfold.outbox) as used`)
  if (used[0]?.used) throw failed('topology', 'The database to move to is in use already: name an empty one, or drop it first if nothing in it counts.')
  await target.query(`begin; truncate ${tables.map(({ name }) => name).join(', ')}; create table ${notes} (name text primary key, rows bigint not null, sum text not null); commit`)
}

/** Answers whether it had to be copied: what an earlier move brought, and is the same still, is not again. */
async function copyOnce(source: pg.Client, target: pg.Client, table: Table, sum: Sum): Promise<boolean> {
  const { rows: [noted] } = await target.query<{ rows: string; sum: string }>(`select rows, sum from ${notes} where name = $1`, [table.name])
  if (noted && Number(noted.rows) === sum.rows && noted.sum === sum.sum) return false
  await target.query('begin')
  try {
    if (noted) await target.query(`delete from ${table.name}`)
    const columns = table.columns.join(', ')
    await pipeline(
      source.query(copyStreams.to(`copy (select ${columns} from ${table.name}) to stdout`)),
      target.query(copyStreams.from(`copy ${table.name} (${columns}) from stdin`)),
    )
    const there = await sumOf(target, table)
    if (there.rows !== sum.rows || there.sum !== sum.sum) throw failed('topology', `${table.name} differs after it was copied (${sum.rows} rows, checksum ${sum.sum}; there ${there.rows}, ${there.sum}): see whether something writes there meanwhile, and run it again.`)
    await target.query(`insert into ${notes} values ($1, $2, $3) on conflict (name) do update set rows = excluded.rows, sum = excluded.sum`, [table.name, sum.rows, sum.sum])
    await target.query('commit')
    return true
  } catch (error) {
    await target.query('rollback').catch(() => { /* the connection is gone, and what it had begun with it */ })
    throw error
  }
}
