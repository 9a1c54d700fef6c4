import type { RangeVar } from 'libpg-query'
import type { Catalog } from './catalog.ts'
import { nodesNamed, type Statement } from './parse.ts'
import type { LockMode } from './trial.ts'

/**
 * What stands outside a transaction holds its locks through several of its own, and has none left when it answers, so these are told and
 * not measured: the Postgres manual's page of each statement says them.
 */
export function lockOutside(statement: Statement, before: Catalog, existing: ReadonlySet<string>): { oid: string; mode: LockMode }[] {
  const mode = modeOf(statement)
  return mode === undefined ? [] : tablesOf(statement, before).filter(({ oid }) => existing.has(oid)).map(({ oid }) => ({ oid, mode }))
}

function modeOf({ node, kind }: Statement): LockMode | undefined {
  if (isConcurrent({ node })) return 'ShareUpdateExclusiveLock'
  if ('VacuumStmt' in node) return (node.VacuumStmt.options ?? []).some((option) => 'DefElem' in option && option.DefElem.defname === 'full') ? 'AccessExclusiveLock' : 'ShareUpdateExclusiveLock'
  if (kind === 'ClusterStmt' || kind === 'RepackStmt') return 'AccessExclusiveLock'
  if (kind === 'ReindexStmt') return 'ShareLock'
  return undefined
}

/** Whether it says CONCURRENTLY: then it waits for others instead of making them wait, and may take as long as it takes. */
export function isConcurrent({ node }: Pick<Statement, 'node'>): boolean {
  if ('IndexStmt' in node) return node.IndexStmt.concurrent === true
  if ('DropStmt' in node) return node.DropStmt.concurrent === true
  if ('ReindexStmt' in node) return (node.ReindexStmt.params ?? []).some((option) => 'DefElem' in option && option.DefElem.defname === 'concurrently')
  return nodesNamed<{ concurrent?: boolean }>(node, 'PartitionCmd').some(({ concurrent }) => concurrent === true)
}

/** The tables that a statement names, itself or by an index; all of them where it names none. */
function tablesOf({ node }: Statement, before: Catalog): { oid: string }[] {
  const names = [
    ...nodesNamed<RangeVar>(node, 'RangeVar'), ...nodesNamed<RangeVar>(node, 'relation'),
    ...'DropStmt' in node ? (node.DropStmt.objects ?? []).map((object): RangeVar => ({ relname: nodesNamed<{ sval: string }>(object, 'String').at(-1)?.sval ?? '' })) : [],
  ].flatMap(({ relname }) => relname ?? [])
  const relations = [...before.relations.values()].filter(({ kind }) => kind === 'r' || kind === 'p' || kind === 'm')
  if (names.length === 0) return relations
  const indexed = new Set([...before.indexes.values()].filter(({ name }) => names.includes(name.split('.').at(-1) ?? '')).map(({ table }) => table))
  return relations.filter(({ oid, bare }) => names.includes(bare) || indexed.has(oid))
}
