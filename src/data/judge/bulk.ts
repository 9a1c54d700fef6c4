import type { Node, RangeVar } from 'libpg-query'
import type { Catalog } from './catalog.ts'
import type { Statement } from './parse.ts'

/**
 * The table that an UPDATE, DELETE or MERGE may change many rows of, in one transaction: every one whose condition does not hold the
 * columns of a unique index to values. Undefined: another statement, or one that changes a row or a few.
 */
export function bulkWriteOn({ node }: Statement, catalog: Catalog, existing: ReadonlySet<string>): string | undefined {
  const { relation, where } = writeOf(node)
  const table = [...catalog.relations.values()].find(({ oid, bare, name }) => existing.has(oid) && bare === relation?.relname && (relation.schemaname === undefined || name === bare || name.startsWith(`${relation.schemaname}.`)))
  if (table === undefined) return undefined
  const fixed = new Set(where === undefined ? [] : fixedColumns(where))
  const few = [...catalog.indexes.values()].some((index) => index.table === table.oid && index.unique && index.columns.length > 0 && index.columns.every((column) => fixed.has(column)))
  return few ? undefined : table.name
}

function writeOf(node: Node): { relation?: RangeVar | undefined; where?: Node | undefined } {
  if ('UpdateStmt' in node) return { relation: node.UpdateStmt.relation, where: node.UpdateStmt.fromClause ? undefined : node.UpdateStmt.whereClause }
  if ('DeleteStmt' in node) return { relation: node.DeleteStmt.relation, where: node.DeleteStmt.usingClause ? undefined : node.DeleteStmt.whereClause }
  return 'MergeStmt' in node ? { relation: node.MergeStmt.relation } : {}
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
