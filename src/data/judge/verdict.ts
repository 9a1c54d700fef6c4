import type { Bulk } from './bulk.ts'
import { isConcurrent } from './outside.ts'
import type { Statement } from './parse.ts'
import { running } from './settings.ts'
import type { Effects } from './trial.ts'

/**
 * - `safe`: it may run under load. A lock that blocks is then held for a moment only, and waited for with a limit.
 * - `unsafe`: it blocks for as long as the table is large, or breaks what runs. Refused, with the safe way.
 * - `contract`: it takes away what a running version may still use. It runs in a file that says so, once no older version runs.
 * - `invalid`: it fails.
 */
export type Verdict = 'safe' | 'unsafe' | 'contract' | 'invalid'

/** What an unsafe statement breaks. A file may allow any of them but `transaction`, with a reason; `unjudged` allows what fails on the scratch copy. */
export const rules = ['rewrite', 'scan', 'index-build', 'refresh', 'bulk-write', 'not-null', 'held-lock', 'lock-table', 'setting', 'cluster-wide', 'server-files', 'unjudged'] as const
export type Rule = (typeof rules)[number] | 'transaction' | 'contract' | 'invalid'

export interface Ruling { readonly verdict: Verdict; readonly rule: Rule | null; readonly reason: string }

const list = (names: readonly string[]) => names.join(', ')

/** What its queries say beside what the trial measured: rows that it changes or locks many of, and whether it waits by itself. */
export interface Said { readonly bulk: Bulk | undefined; readonly waits: boolean }

/** What the effects of one statement amount to. */
export function rule(statement: Statement, effects: Effects, said: Said): Ruling {
  const ruling = byEffects(statement, effects, said)
  return ruling.verdict === 'safe' && effects.onRows !== undefined ? { verdict: 'invalid', rule: 'invalid', reason: `It fails on rows that are there: ${effects.onRows}.` } : ruling
}

function byEffects(statement: Statement, effects: Effects, { bulk, waits }: Said): Ruling {
  const unsafe = (name: Rule, reason: string): Ruling => ({ verdict: 'unsafe', rule: name, reason })
  const { changes, rewrites, scans, reads, settings, ownIndexBuilds, lock, blocksReads, blocksWrites, error } = effects
  const refreshed = statement.kind === 'RefreshMatViewStmt'
  const whom = blocksReads ? 'readers and writers' : 'writers'
  if (error !== undefined) return { verdict: 'invalid', rule: 'invalid', reason: `It fails: ${error}.` }
  if (settings.length > 0) return unsafe('setting', `It changes ${list(settings)}, which the migration sets or relies on so that it is in nobody's way.`)
  if (statement.kind === 'LockStmt' && blocksWrites) return unsafe('lock-table', `It locks ${list(Object.keys(effects.locks))} against ${whom} until its transaction ends.`)
  const written = rewrites.filter((name) => !isTruncated(statement) || !changes.replaced.some((one) => one.name === name))
  if (refreshed && blocksReads) return unsafe('refresh', `It makes ${list(rewrites)} anew under a lock that blocks its readers meanwhile.`)
  if (written.length > 0) return unsafe('rewrite', `It writes ${list(written)} anew, under a lock (${lock}) that blocks ${whom} for as long as that takes.`)
  const bare = changes.addedColumns.filter((column) => column.notNull && column.default === null && column.identity === '' && column.generated === '')
  if (bare.length > 0) return unsafe('not-null', `It fails where ${list(bare.map(({ tableName }) => tableName))} has a row, and what runs now inserts rows without ${list(bare.map(({ quoted }) => quoted))}.`)
  const read = [...scans, ...refreshed ? [] : reads]
  if (read.length > 0 && blocksWrites) return unsafe('scan', `It reads all of ${list(read)} under a lock (${lock}) that blocks ${whom} for as long as that takes.`)
  if (ownIndexBuilds.length > 0 && blocksWrites && !isConcurrent(statement) && !isTruncated(statement)) return unsafe('index-build', `It builds an index on ${list(ownIndexBuilds)} under a lock (${lock}) that blocks ${whom} for as long as that takes.`)
  if (bulk !== undefined) return unsafe('bulk-write', bulk.does === 'lock' ? `It may lock every row of ${bulk.table}, and who changes one of them waits until its transaction ends.` : `It may change every row of ${bulk.table} in one transaction: each stays locked, and each old version stays in the table, until the last is done.`)
  if (waits && blocksWrites) return unsafe('held-lock', `It waits, under a lock (${lock}) that blocks ${whom} meanwhile.`)
  const lost = [...changes.lost.map(({ what }) => what), ...isTruncated(statement) && changes.replaced.length > 0 ? [`takes every row of ${list(changes.replaced.map(({ name }) => name))}`] : [], ...alsoLost(statement)]
  if (lost.length > 0) return { verdict: 'contract', rule: 'contract', reason: `It ${lost.join(', and ')}, which a running version may still use.` }
  return { verdict: 'safe', rule: null, reason: refreshed ? `It makes the view anew beside the old one, whose readers go on meanwhile (${lock}): only another refresh of it waits.` : reasonOfSafety(effects) }
}

function reasonOfSafety({ lock, blocksReads, blocksWrites, scans, reads }: Effects): string {
  if (lock === null) return 'It locks no table that was there before.'
  if (blocksWrites) return `It holds a lock (${lock}) that blocks ${blocksReads ? 'readers and writers' : 'writers'} for a moment: nothing is read or written under it.`
  return `Its lock (${lock}) blocks neither readers nor writers${scans.length + reads.length > 0 ? ', who go on while it reads the table' : ''}.`
}

/** Above it, what runs code or queries is slow on tables that are empty or nearly so: in milliseconds, as long as a migration waits for a lock. */
const slowMs = 1_000
export const isSlow = ({ kind }: Statement, { tookMs }: Effects) => running.has(kind) && tookMs > slowMs

const isTruncated = ({ kind }: Statement) => kind === 'TruncateStmt'

/** What is no table and no column, and may be used all the same. */
const usable = new Map([['OBJECT_FUNCTION', 'function'], ['OBJECT_PROCEDURE', 'procedure'], ['OBJECT_ROUTINE', 'routine'], ['OBJECT_AGGREGATE', 'aggregate'], ['OBJECT_TYPE', 'type'], ['OBJECT_DOMAIN', 'domain'], ['OBJECT_SEQUENCE', 'sequence'], ['OBJECT_SCHEMA', 'schema'], ['OBJECT_EXTENSION', 'extension']])

function alsoLost({ node }: Statement): string[] {
  if ('DropStmt' in node) { const what = usable.get(node.DropStmt.removeType ?? ''); return what ? [`drops a ${what}`] : [] }
  if ('RenameStmt' in node) { const what = usable.get(node.RenameStmt.renameType ?? ''); return what ? [`renames a ${what}`] : [] }
  if ('AlterObjectSchemaStmt' in node) { const what = usable.get(node.AlterObjectSchemaStmt.objectType ?? ''); return what ? [`moves a ${what} to another schema`] : [] }
  if ('GrantStmt' in node && node.GrantStmt.is_grant !== true) return ['takes a privilege away']
  if ('AlterEnumStmt' in node && node.AlterEnumStmt.oldVal !== undefined) return [`renames the value ${node.AlterEnumStmt.oldVal} of a type`]
  return []
}
