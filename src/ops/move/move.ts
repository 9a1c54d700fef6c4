import type pg from 'pg'
import { failed, isTenfoldError } from '../../base/index.ts'
import type { Connection } from '../../data/index.ts'
import { catchUp } from './catch-up.ts'
import { bringTables, openSession, type TableProgress } from './copy.ts'
import { type Notes, openNotes } from './notes.ts'
import { dropSlot, endOfLog, slotState } from './slot.ts'
import { copySequences, type Table, tablesOf } from './tables.ts'

export interface MoveOptions {
  /** As somebody who sees every row. */
  readonly source: Connection
  /** As the owner of the tables, which are there by the same migrations, and empty. */
  readonly target: Connection
  readonly schemas: readonly string[]
  readonly onTable: (progress: TableProgress) => void
  /** Tables that are the same on both sides, as long as the log names no change in them: what `follow` has verified. */
  readonly settled?: Map<string, number> | undefined
}

/** `onVerified` writes down that all of it is there; until it has, a move that is killed can be run again. */
export interface MoveEnd { readonly onVerified: (moved: Moved) => Promise<void> }

export interface Moved { readonly tables: number; readonly rows: number }

/** Both ends of a move. */
export interface Ends {
  readonly source: pg.Client
  readonly target: pg.Client
  /** On the target, too: sends statements without waiting for answers, which COPY does not bear. */
  readonly writer: pg.Client
  readonly tables: readonly Table[]
  readonly notes: Notes
  /** Whether keys and triggers are out of force where rows are written: they were in force where they come from. */
  readonly isReplica: boolean
  close(): Promise<void>
}

/** Errors: `topology`, where the target holds rows of its own, or other tables; the driver's. */
export async function openEnds({ source: from, target: to, schemas, settled }: Omit<MoveOptions, 'onTable'>): Promise<Ends> {
  const clients: pg.Client[] = []
  const close = async () => { await Promise.allSettled(clients.map((client) => client.end())) }
  const open = async (connection: Connection, options = {}) => { const client = await openSession(connection, options); clients.push(client); return client }
  try {
    const [source, target, writer] = await Promise.all([open(from), open(to), open(to, { pipeline: true })])
    const tables = await tablesOf(source, schemas)
    await assertSameTables(tables, await tablesOf(target, schemas))
    const notes = await openNotes(target, tables, settled)
    const isReplica = await Promise.all([target, writer].map((client) => client.query('set session_replication_role = replica'))).then(() => true, () => false)
    return { source, target, writer, tables, notes, isReplica, close }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Moves every row of these schemas from one database to another, where nobody writes meanwhile, and verifies it by counts and checksums.
 * What is there already is not copied again: not what an earlier attempt brought, and not what followed while the application ran.
 * Errors: `topology`, as `openEnds`, and where rows differ after all; the driver's.
 */
export async function moveRows({ onTable, onVerified, ...options }: MoveOptions & MoveEnd): Promise<Moved> {
  const { source, target, writer, tables, notes, close } = await openEnds(options)
  try {
    if (notes.from.size > 0 && await slotState(source) === 'kept') await catchUp({ source, writer, notes, until: await endOfLog(source) })
    else notes.settled.clear()
    const lsn = await endOfLog(source)
    await source.query('begin isolation level repeatable read read only')
    const rows = await bringTables({ source, lsn, target, tables, notes, onTable })
    await copySequences(source, target, options.schemas)
    await source.query('commit')
    await target.query('analyze')
    const moved = { tables: tables.length, rows }
    await onVerified(moved)
    await notes.remove()
    await dropSlot(source)
    return moved
  } catch (error) {
    throw await moveFault(error, { source, target })
  } finally {
    await close()
  }
}

/** What is wrong with a move that broke off: with one end of it, where that does not answer any more. */
export async function moveFault(error: unknown, { source, target }: Pick<Ends, 'source' | 'target'>): Promise<unknown> {
  if (isTenfoldError(error)) return error
  const [here, there] = await Promise.all([source, target].map(isThere))
  if (here && there) return error
  return failed('start', `The database ${here ? 'to move to' : 'that is moved'} does not answer any more (${(error as Error).message}): see whether it runs, and run this again: it goes on where it stood.`, { cause: error })
}

/** Whether that server still answers. */
export async function isThere(client: pg.Client): Promise<boolean> { return await client.query('select').then(() => true, (error: { code?: string }) => error.code === '25P02') }

async function assertSameTables(source: readonly Table[], target: readonly Table[]): Promise<void> {
  const there = new Map(target.map((table) => [table.name, table.columns.toSorted().join()]))
  const differing = source.filter(({ name, columns }) => there.get(name) !== columns.toSorted().join())
  if (differing.length > 0) throw failed('topology', `The tables ${differing.map(({ name }) => name).join(', ')} are not the same on both servers: run tenfold migrate where this database is, and again.`)
}
