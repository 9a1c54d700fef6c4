import pg from 'pg'
import { reasonOf } from '../../base/index.ts'
import { isOutsideOnly } from '../faults.ts'
import { type Catalog, type Changes, changesBetween, readCatalog } from './catalog.ts'
import { lockOutside } from './outside.ts'
import type { Statement } from './parse.ts'

/**
 * A statement is tried on a scratch copy of the schema, and what it did is measured there: the locks that its transaction holds, files
 * that were replaced, and what the server itself says at DEBUG1 of tables it rewrites or verifies and of indexes it builds. None of
 * these depends on how many rows there are. What it does to tables that the same migration made is nobody's trouble.
 */
export interface Effects {
  /** The strongest lock on each table that was there before. */
  readonly locks: Readonly<Record<string, LockMode>>
  readonly lock: LockMode | null
  readonly blocksReads: boolean
  readonly blocksWrites: boolean
  /** Tables that are written anew. */
  readonly rewrites: readonly string[]
  /** Tables, or foreign keys, that are read from end to end. */
  readonly scans: readonly string[]
  /** Of all tables, those for TOAST among them. */
  readonly indexBuilds: number
  /** Of tables that were there before. */
  readonly ownIndexBuilds: readonly string[]
  readonly outsideTransaction: boolean
  readonly changes: Changes
  readonly error: string | undefined
  /** Why it fails on the rows that the files before it put there: the rest was measured without them. */
  readonly onRows: string | undefined
}

const modes = ['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'] as const
export type LockMode = (typeof modes)[number]

/** Postgres manual, "Table-Level Locks": SELECT conflicts with the last alone, INSERT and UPDATE with the last four. */
const blocksReads = (mode: LockMode | null) => mode === 'AccessExclusiveLock'
const blocksWrites = (mode: LockMode | null) => mode !== null && modes.indexOf(mode) >= modes.indexOf('ShareLock')

const noChanges: Changes = { lost: [], addedColumns: [], retyped: [], madeNotNull: [], addedConstraints: [], addedIndexes: [], attached: [], replaced: [] }

/** Runs the statement for good, so that the next finds what it made. `existing` has the oids of the tables that count. */
export async function tryStatement(client: pg.Client, statement: Statement, existing: ReadonlySet<string>): Promise<Effects> {
  const before = await readCatalog(client)
  try {
    await client.query('begin')
    const said = await listen(client, statement)
    const { rows } = await client.query<{ oid: string; mode: LockMode }>(`select relation::text as oid, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation' and granted and database = (select oid from pg_database where datname = current_database())`)
    const after = await readCatalog(client)
    await client.query('commit')
    const held = rows.filter(({ oid }) => existing.has(oid) && before.relations.has(oid)).map(({ oid, mode }) => ({ table: before.relations.get(oid)?.name ?? oid, mode }))
    return effectsOf({ before, after, existing, said, held, outside: false })
  } catch (error) {
    await client.query('rollback')
    if (isOutsideOnly(error)) return await tryOutside(client, statement, before, existing)
    if (error instanceof pg.DatabaseError && error.code?.startsWith('23') && await emptied(client, before)) return { ...await tryStatement(client, statement, existing), onRows: reasonOf(error) }
    return failedWith(error, false)
  }
}

async function tryOutside(client: pg.Client, statement: Statement, before: Catalog, existing: ReadonlySet<string>): Promise<Effects> {
  try {
    const said = await listen(client, statement)
    return effectsOf({ before, after: await readCatalog(client), existing, said, held: lockOutside(statement, before, existing), outside: true })
  } catch (error) {
    return failedWith(error, true)
  }
}

/** Takes all rows away, where there are any: what a statement locks does not depend on them. */
async function emptied(client: pg.Client, { relations }: Catalog): Promise<boolean> {
  const tables = [...relations.values()].filter(({ kind }) => kind === 'r' || kind === 'p').map(({ name }) => name)
  const { rows } = await client.query<{ any: boolean }>(`select ${tables.map((name) => `exists (select from ${name})`).join(' or ') || 'false'} as any`)
  if (!rows[0]?.any) return false
  await client.query(`truncate ${tables.join(', ')} cascade`)
  return true
}

function failedWith(error: unknown, outside: boolean): Effects {
  return { locks: {}, lock: null, blocksReads: false, blocksWrites: false, rewrites: [], scans: [], indexBuilds: 0, ownIndexBuilds: [], outsideTransaction: outside, changes: noChanges, error: reasonOf(error), onRows: undefined }
}

/** Runs it and answers what the server said meanwhile. SET LOCAL is meant for the whole file, which here is many transactions. */
async function listen(client: pg.Client, { text, node }: Statement): Promise<string[]> {
  const said: string[] = []
  const note = ({ message }: { message?: string | undefined }) => { said.push(message ?? '') }
  await client.query('set client_min_messages to debug1')
  client.on('notice', note)
  try {
    await client.query('VariableSetStmt' in node && node.VariableSetStmt.is_local ? text.replace(/^set\s+local/i, 'set') : text)
  } finally {
    client.off('notice', note)
  }
  await client.query('set client_min_messages to warning')
  return said
}

interface Seen { readonly before: Catalog; readonly after: Catalog; readonly existing: ReadonlySet<string>; readonly said: readonly string[]; readonly held: readonly { table: string; mode: LockMode }[]; readonly outside: boolean }

function effectsOf({ before, after, existing, said, held, outside }: Seen): Effects {
  const changes = changesBetween(before, after, existing)
  const named = new Map([...before.relations.values()].filter(({ oid }) => existing.has(oid)).map(({ bare, name }) => [bare, name]))
  const heard = (pattern: RegExp) => said.flatMap((line) => pattern.exec(line)?.[1] ?? [])
  const ofOurs = (names: readonly string[]) => names.flatMap((name) => named.get(name) ?? [])
  const locks: Record<string, LockMode> = {}
  for (const { table, mode } of held) if (stronger(mode, locks[table] ?? null)) locks[table] = mode
  const lock = Object.values(locks).reduce<LockMode | null>((most, mode) => stronger(mode, most) ? mode : most, null)
  return {
    locks, lock, blocksReads: blocksReads(lock), blocksWrites: blocksWrites(lock), outsideTransaction: outside, changes, error: undefined, onRows: undefined,
    rewrites: [...new Set([...ofOurs(heard(/^rewriting table "(.*)"$/)), ...changes.replaced.map(({ name }) => name)])],
    scans: [...new Set([...ofOurs(heard(/^verifying table "(.*)"$/)), ...validated(heard(/^validating foreign key constraint "(.*)"$/), after, existing)])],
    indexBuilds: heard(/^building index "(.*)" on table /).length,
    ownIndexBuilds: [...new Set(ofOurs(heard(/^building index ".*" on table "(.*)"/)))],
  }
}

const stronger = (mode: LockMode, than: LockMode | null) => than === null || modes.indexOf(mode) > modes.indexOf(than)

/** The tables that foreign keys of these names were checked on. */
function validated(names: readonly string[], after: Catalog, existing: ReadonlySet<string>): string[] {
  return [...after.constraints.values()].filter(({ kind, table, name }) => kind === 'f' && existing.has(table) && names.includes(name.replaceAll('"', ''))).map(({ tableName }) => tableName)
}
