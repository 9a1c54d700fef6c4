import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import copyStreams from 'pg-copy-streams'
import { failed } from '../../base/index.ts'
import { clientOptions, type Connection } from '../../data/index.ts'
import type { Notes } from './notes.ts'
import { sameText, type Sum, sumOf, type Table } from './tables.ts'

/** A session in which a value has the same text on every server. */
export async function openSession(connection: Connection, options: { pipeline?: boolean } = {}): Promise<pg.Client> {
  const client = new pg.Client({ ...clientOptions(connection), ...options })
  client.on('error', () => { /* told by the query that fails */ })
  await client.connect()
  await client.query(sameText)
  return client
}

export interface TableProgress { readonly table: string; readonly number: number; readonly of: number; readonly rows: number; /** False: the same rows were there already. */ readonly copied: boolean }

export interface Bringing {
  /** In a transaction that sees one moment, `lsn`: all that was committed before it. */
  readonly source: pg.Client
  readonly lsn: bigint
  readonly target: pg.Client
  readonly tables: readonly Table[]
  readonly notes: Notes
  readonly onTable: (progress: TableProgress) => void
}

/** Compares every table that is not known to be the same, and copies it where it is not. Answers the rows of all. Errors: `topology`, where rows differ after all; the driver's. */
export async function bringTables({ source, lsn, target, tables, notes, onTable }: Bringing): Promise<number> {
  let all = 0
  for (const [index, table] of tables.entries()) {
    const settled = notes.settled.get(table.path)
    const { rows, copied } = settled === undefined ? await bring(source, target, table, () => notes.copied(table.path, lsn)) : { rows: settled, copied: false }
    if (table.isLogged) notes.settled.set(table.path, rows)
    all += rows
    onTable({ table: table.name, number: index + 1, of: tables.length, rows, copied })
  }
  return all
}

async function bring(source: pg.Client, target: pg.Client, table: Table, note: () => Promise<void>): Promise<{ rows: number; copied: boolean }> {
  const [sum, there] = await Promise.all([sumOf(source, table), sumOf(target, table)])
  const same = isSame(sum, there)
  await target.query('begin')
  try {
    if (!same) await copy(source, target, table, sum, there.rows > 0)
    await note()
    await target.query('commit')
  } catch (error) {
    await target.query('rollback').catch(() => { /* the connection is gone, and what it had begun with it */ })
    throw error
  }
  return { rows: sum.rows, copied: !same }
}

async function copy(source: pg.Client, target: pg.Client, table: Table, sum: Sum, replaces: boolean): Promise<void> {
  if (replaces) await target.query(`delete from ${table.name}`)
  const columns = table.columns.join(', ')
  await pipeline(
    source.query(copyStreams.to(`copy (select ${columns} from ${table.name}) to stdout`)),
    target.query(copyStreams.from(`copy ${table.name} (${columns}) from stdin`)),
  )
  const there = await sumOf(target, table)
  if (!isSame(sum, there)) throw failed('topology', `${table.name} differs after it was copied (${sum.rows} rows, checksum ${sum.sum}; there ${there.rows}, ${there.sum}): see whether something writes there meanwhile, and run it again.`)
}

function isSame(one: Sum, other: Sum): boolean { return one.rows === other.rows && one.sum === other.sum }
