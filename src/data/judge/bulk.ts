import type { Node, RangeVar, SelectStmt } from 'libpg-query'
import { type Activity, looked, onlyInserted } from './activity.ts'
import type { Catalog, Relation } from './catalog.ts'
import { nodesNamed, type Statement } from './parse.ts'
import type { Queries } from './queries.ts'
import type { Effects } from './trial.ts'

/** What a statement does to many rows of a table, in one transaction. */
export interface Bulk { readonly table: string; readonly does: 'change' | 'lock' }

/**
 * An UPDATE, DELETE or MERGE may change every row whose condition does not hold the columns of a unique index to values; a SELECT ... FOR
 * UPDATE may lock them. What the text does not say, the trial has seen: a table that was locked to be written, and looked through. Undefined: a row or a few.
 */
export function bulkOf({ kind }: Statement, queries: Queries, effects: Effects, catalog: Catalog, existing: ReadonlySet<string>): Bulk | undefined {
  const said = queries.nodes.flatMap(writesIn).flatMap((write) => { const table = relationOf(write.relation, catalog, existing); return table ? [{ ...write, table }] : [] })
  const many = said.find(({ table, few, where }) => !few && !holdsUnique(where, table, catalog))
  if (many) return { table: many.table.name, does: many.does }
  const known = new Set(queries.hidden ? [] : said.map(({ table }) => table.oid))
  const hidden = effects.written.find(({ oid, above, whole }) => ![oid, ...above].some((one) => known.has(one)) && (whole || queries.calls || !ofFewRows.has(kind)))
  return hidden && { table: hidden.name, does: hidden.does }
}

/** What these change by themselves is told by their text; by triggers and foreign keys each row changes those that are found by it. */
const ofFewRows = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt'])

/** Tables that a transaction holds a lock on to write into, and looked for rows to change. */
export function lookedThrough<T extends { oid: string }>(locked: readonly T[], activity: Activity): T[] {
  return looked(activity) ? locked.filter(({ oid }) => !onlyInserted(activity, oid)) : []
}

interface Write { readonly relation: RangeVar | undefined; readonly where: Node | undefined; readonly few: boolean; readonly does: Bulk['does'] }

function writesIn(node: Node): Write[] {
  const found = <T>(name: string) => nodesNamed<T>([node], name)
  type Changing = { relation?: RangeVar; whereClause?: Node; fromClause?: Node[]; usingClause?: Node[] }
  return [
    ...[...found<Changing>('UpdateStmt'), ...found<Changing>('DeleteStmt')].map(({ relation, whereClause, fromClause, usingClause }): Write => ({ relation, where: fromClause || usingClause ? undefined : whereClause, few: false, does: 'change' })),
    ...found<{ relation?: RangeVar }>('MergeStmt').map(({ relation }): Write => ({ relation, where: undefined, few: false, does: 'change' })),
    ...found<{ relation?: RangeVar; selectStmt?: Node; onConflictClause?: { action?: string } }>('InsertStmt').map(({ relation, selectStmt, onConflictClause }): Write => ({ relation, where: undefined, few: onConflictClause?.action !== 'ONCONFLICT_UPDATE' || isWrittenOut(selectStmt), does: 'change' })),
    ...found<SelectStmt>('SelectStmt').filter(({ lockingClause }) => lockingClause !== undefined).flatMap(lockedBy),
  ]
}

function lockedBy({ fromClause, whereClause, limitCount }: SelectStmt): Write[] {
  const tables = nodesNamed<RangeVar>(fromClause, 'RangeVar')
  return tables.map((relation) => ({ relation, where: tables.length === 1 ? whereClause : undefined, few: limitCount !== undefined && isValue(limitCount), does: 'lock' }))
}

const isWrittenOut = (select: Node | undefined) => select === undefined || ('SelectStmt' in select && select.SelectStmt.valuesLists !== undefined)

function relationOf(written: RangeVar | undefined, catalog: Catalog, existing: ReadonlySet<string>): Relation | undefined {
  return [...catalog.relations.values()].find(({ oid, bare, name }) => existing.has(oid) && bare === written?.relname && (written.schemaname === undefined || name === bare || name.startsWith(`${written.schemaname}.`)))
}

function holdsUnique(where: Node | undefined, { oid }: Relation, catalog: Catalog): boolean {
  const fixed = new Set(where === undefined ? [] : fixedColumns(where))
  return [...catalog.indexes.values()].some((index) => index.table === oid && index.unique && index.columns.length > 0 && index.columns.every((column) => fixed.has(column)))
}

/** Columns that a condition holds to a value, or to one of a written list: `a = 1 and b in (1, 2)`. */
function fixedColumns(where: Node): string[] {
  if ('BoolExpr' in where) return where.BoolExpr.boolop === 'AND_EXPR' ? (where.BoolExpr.args ?? []).flatMap(fixedColumns) : []
  if (!('A_Expr' in where)) return []
  const { kind, name, lexpr, rexpr } = where.A_Expr
  const equal = (kind === 'AEXPR_OP' || kind === 'AEXPR_IN') && name?.length === 1 && 'String' in (name[0] as Node) && (name[0] as { String: { sval?: string } }).String.sval === '='
  if (!equal || !lexpr || !rexpr || !('ColumnRef' in lexpr) || !isValue(rexpr)) return []
  const last = lexpr.ColumnRef.fields?.at(-1)
  return last && 'String' in last && last.String.sval ? [last.String.sval] : []
}

function isValue(node: Node): boolean {
  if ('List' in node) return (node.List.items ?? []).every(isValue)
  if ('TypeCast' in node) return node.TypeCast.arg !== undefined && isValue(node.TypeCast.arg)
  return 'A_Const' in node
}
