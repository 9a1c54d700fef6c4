import pg from 'pg'
import { reasonOf } from '../../base/index.ts'
import { isOutsideOnly } from '../faults.ts'
import { type Activity, activityBetween, readActivity, readWhole } from './activity.ts'
import { type Bulk, lookedThrough } from './bulk.ts'
import { type Catalog, type Changes, changesBetween, readCatalog } from './catalog.ts'
import { lockOutside } from './outside.ts'
import type { Statement } from './parse.ts'
import { changedSettings, readSettings, settingsInCode, trialPlans, trialSettings } from './settings.ts'

/**
 * A statement is tried on a scratch copy of the schema, and what it did is measured there: the locks that its transaction holds, files
 * that were replaced, scans that were begun, and what the server itself says at DEBUG1 of tables it rewrites or verifies and of indexes
 * it builds. None of these depends on how many rows there are. What it does to tables that the same migration made is nobody's trouble.
 */
export interface Effects {
  /** The strongest lock on each table that was there before. */
  readonly locks: Readonly<Record<string, LockMode>>
  readonly lock: LockMode | null
  readonly blocksReads: boolean
  readonly blocksWrites: boolean
  /** Tables that are written anew. */
  readonly rewrites: readonly string[]
  /** Tables, or foreign keys, that are read from end to end to verify what they hold, or else under a lock of more than a query. */
  readonly scans: readonly string[]
  /** Tables that a query reads from end to end. */
  readonly reads: readonly string[]
  /** Tables that were there before, locked to be written into, and looked through for rows to change or to lock. */
  readonly written: readonly Written[]
  /** Settings that protect, which it changes. */
  readonly settings: readonly string[]
  /** How long the trial took. */
  readonly tookMs: number
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

/** `above`: what the table is a partition or a child of. `whole`: it was read from end to end. */
export interface Written { readonly oid: string; readonly name: string; readonly above: readonly string[]; readonly whole: boolean; readonly does: Bulk['does'] }

const modes = ['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'] as const
export type LockMode = (typeof modes)[number]

/** Postgres manual, "Table-Level Locks": SELECT conflicts with the last alone, INSERT and UPDATE with the last four. */
const blocksReads = (mode: LockMode | null) => mode === 'AccessExclusiveLock'
const blocksWrites = (mode: LockMode | null) => mode !== null && modes.indexOf(mode) >= modes.indexOf('ShareLock')

const noChanges: Changes = { lost: [], addedColumns: [], retyped: [], madeNotNull: [], addedConstraints: [], addedIndexes: [], attached: [], narrowed: [], beside: undefined, replaced: [] }

/** Runs the statement for good, so that the next finds what it made. `existing` has the oids of the tables that count, `before` is what is there now. */
export async function tryStatement(client: pg.Client, statement: Statement, existing: ReadonlySet<string>, before: Catalog): Promise<Effects> {
  try {
    await client.query(`${trialSettings}; begin; ${trialPlans}`)
    const counted = await readActivity(client)
    const heard = await listen(client, statement)
    const activity = activityBetween(counted, await readActivity(client))
    const locked = await readLocks(client)
    const after = await readCatalog(client)
    await client.query('commit')
    return effectsOf({ statement, before, after, existing, ...heard, held: locked.filter(({ oid }) => existing.has(oid) && before.relations.has(oid)), activity, outside: false })
  } catch (error) {
    await client.query('rollback')
    if (isOutsideOnly(error)) return await tryOutside(client, statement, before, existing)
    if (error instanceof pg.DatabaseError && error.code?.startsWith('23') && await emptied(client, before)) return { ...await tryStatement(client, statement, existing, await readCatalog(client)), onRows: reasonOf(error) }
    return failedWith(error, false)
  }
}

async function tryOutside(client: pg.Client, statement: Statement, before: Catalog, existing: ReadonlySet<string>): Promise<Effects> {
  try {
    await client.query(trialSettings)
    const heard = await listen(client, statement)
    return effectsOf({ statement, before, after: await readCatalog(client), existing, ...heard, held: lockOutside(statement, before, existing).map((lock) => ({ ...lock, above: [] })), activity: new Map(), outside: true })
  } catch (error) {
    return failedWith(error, true)
  }
}

/** A lock, and the oids of all that its table is a partition or a child of. */
interface Held { readonly oid: string; readonly mode: LockMode; readonly above: readonly string[] }

async function readLocks(client: pg.Client): Promise<Held[]> {
  const { rows } = await client.query<Held>(`select relation::text as oid, mode, array(with recursive above as (select inhparent from pg_inherits where inhrelid = relation union select i.inhparent from pg_inherits i join above on i.inhrelid = above.inhparent) select inhparent::text from above) as above
    from pg_locks where pid = pg_backend_pid() and locktype = 'relation' and granted and database = (select oid from pg_database where datname = current_database())`)
  return rows
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
  return { locks: {}, lock: null, blocksReads: false, blocksWrites: false, rewrites: [], scans: [], reads: [], written: [], settings: [], tookMs: 0, indexBuilds: 0, ownIndexBuilds: [], outsideTransaction: outside, changes: noChanges, error: reasonOf(error), onRows: undefined }
}

interface Heard { readonly said: readonly string[]; readonly settings: readonly string[]; readonly tookMs: number }

/** Runs it and answers what the server said meanwhile. SET LOCAL is meant for the whole file, which here is many transactions. */
async function listen(client: pg.Client, statement: Statement): Promise<Heard> {
  const { text, node } = statement
  const said: string[] = []
  const note = ({ message }: { message?: string | undefined }) => { said.push(message ?? '') }
  const before = await readSettings(client)
  const begun = await serverMs(client)
  client.on('notice', note)
  try {
    await client.query('VariableSetStmt' in node && node.VariableSetStmt.is_local ? text.replace(/^set\s+local/i, 'set') : text)
  } finally {
    client.off('notice', note)
  }
  const tookMs = await serverMs(client) - begun
  return { said, tookMs, settings: [...new Set([...changedSettings(before, await readSettings(client)), ...await settingsInCode(client, statement)])] }
}

async function serverMs(client: pg.Client): Promise<number> {
  return (await client.query<{ ms: number }>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms')).rows[0]?.ms ?? 0
}

interface Seen extends Heard { readonly statement: Statement; readonly before: Catalog; readonly after: Catalog; readonly existing: ReadonlySet<string>; readonly held: readonly Held[]; readonly activity: Activity; readonly outside: boolean }

function effectsOf(seen: Seen): Effects {
  const { before, after, existing, said, held, settings, tookMs } = seen
  const changes = changesBetween(before, after, existing)
  const named = new Map([...before.relations.values()].filter(({ oid }) => existing.has(oid)).map(({ bare, name }) => [bare, name]))
  const heard = (pattern: RegExp) => said.flatMap((line) => pattern.exec(line)?.[1] ?? [])
  const ofOurs = (names: readonly string[]) => names.flatMap((name) => named.get(name) ?? [])
  const locks: Record<string, LockMode> = {}
  for (const { oid, mode } of held) { const table = nameIn(before, oid); if (stronger(mode, locks[table] ?? null)) locks[table] = mode }
  const lock = Object.values(locks).reduce<LockMode | null>((most, mode) => stronger(mode, most) ? mode : most, null)
  const rewrites = [...new Set([...ofOurs(heard(/^rewriting table "(.*)"$/)), ...changes.replaced.map(({ name }) => name)])]
  const ownIndexBuilds = [...new Set(ofOurs(heard(/^building index ".*" on table "(.*)"/)))]
  const read = readWhole(seen.activity).filter((oid) => existing.has(oid) && before.relations.has(oid)).map((oid) => nameIn(before, oid)).filter((name) => !rewrites.includes(name) && !ownIndexBuilds.includes(name))
  // REFRESH locks a view that nobody else writes.
  const verified = (name: string) => seen.statement.kind !== 'RefreshMatViewStmt' && modes.indexOf(locks[name] ?? 'AccessShareLock') >= modes.indexOf('ShareUpdateExclusiveLock')
  return {
    locks, lock, blocksReads: blocksReads(lock), blocksWrites: blocksWrites(lock), outsideTransaction: seen.outside, changes, error: undefined, onRows: undefined, settings, tookMs, rewrites, ownIndexBuilds,
    scans: [...new Set([...ofOurs(heard(/^verifying table "(.*)"$/)), ...validated(heard(/^validating foreign key constraint "(.*)"$/), after, existing), ...read.filter(verified)])],
    reads: read.filter((name) => !verified(name)), written: writtenIn(seen),
    indexBuilds: heard(/^building index "(.*)" on table /).length,
  }
}

const nameIn = ({ relations }: Catalog, oid: string) => relations.get(oid)?.name ?? oid

/** REFRESH writes into what nobody else may. Rows are locked by queries; a foreign key's, which an INSERT or ALTER TABLE looks at, are nobody's trouble. */
function writtenIn({ statement: { kind }, held, activity, before }: Seen): Effects['written'] {
  if (kind === 'RefreshMatViewStmt') return []
  const whole = readWhole(activity)
  const asWritten = (does: Bulk['does']) => ({ oid, above }: Held): Written => ({ oid, above, name: nameIn(before, oid), whole: whole.includes(oid), does })
  const of = (mode: LockMode) => held.filter((one) => one.mode === mode)
  return [...lookedThrough(of('RowExclusiveLock'), activity).map(asWritten('change')), ...calling.has(kind) ? of('RowShareLock').map(asWritten('lock')).filter((one) => one.whole) : []]
}

const calling = new Set(['SelectStmt', 'DoStmt', 'CallStmt', 'ExecuteStmt'])

const stronger = (mode: LockMode, than: LockMode | null) => than === null || modes.indexOf(mode) > modes.indexOf(than)

/** The tables that foreign keys of these names were checked on. */
function validated(names: readonly string[], after: Catalog, existing: ReadonlySet<string>): string[] {
  return [...after.constraints.values()].filter(({ kind, table, name }) => kind === 'f' && existing.has(table) && names.includes(name.replaceAll('"', ''))).map(({ tableName }) => tableName)
}
