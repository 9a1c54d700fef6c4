import { columnOf, columnsIn, type ColumnName, expressionOf, sortOf, sqlOf, type Tree } from './parsing.ts'
import { nodesOf, type PlanNode } from './plan.ts'

/**
 * What a statement asks of each table, read from its plan with indexes switched off: then every condition stands as a filter or a join
 * condition, views and subqueries are resolved, every column has its table, and every cast that Postgres makes is written down.
 */

/** What an index could hold: a column, or an expression of columns of one table. */
export interface Key {
  readonly sql: string
  readonly columns: readonly string[]
  /** `cast`: a column turned into another type, as Postgres does where types differ. */
  readonly kind: 'column' | 'cast' | 'expression'
  readonly tree: Tree
}

export interface Term {
  readonly shape: 'equal' | 'null' | 'range' | 'rows' | 'pattern' | 'contains' | 'unequal' | 'other'
  readonly key: Key
  readonly operator: string
  /** What it is compared with. */
  readonly other: Tree | undefined
  /** Whether that comes from another table: a join. */
  readonly isJoin: boolean
  /** Of a list: `= any(...)`. */
  readonly isAny: boolean
  /** Row comparison: all of its columns. */
  readonly keys: readonly Key[]
  /** The whole condition as SQL, where nothing but constants stand in it. */
  readonly constant: string | undefined
}

export interface SortKey { readonly key: Key; readonly descending: boolean; readonly nulls: 'first' | 'last' | undefined }

export interface Asked {
  readonly alias: string
  readonly schema: string
  readonly table: string
  readonly terms: Term[]
  /** One list for each OR; in it one list of terms for each of its arms. */
  readonly alternatives: Term[][][]
  readonly sorts: SortKey[][]
  /** Columns whose least or greatest value is asked for. */
  readonly extremes: Key[]
  /** The columns that are needed of it. */
  readonly needed: Set<string>
}

const conditionFields = ['Filter', 'Index Cond', 'Recheck Cond', 'Join Filter', 'Hash Cond', 'Merge Cond', 'One-Time Filter'] as const

export function askedOf(plan: PlanNode): Asked[] {
  const nodes = nodesOf(plan)
  const asked = new Map<string, Asked>()
  for (const node of nodes) {
    const { 'Relation Name': table, Schema: schema, Alias: alias } = node
    if (table === undefined || schema === undefined || node['Node Type'] === 'ModifyTable') continue
    asked.set(alias ?? table, { alias: alias ?? table, schema, table, terms: [], alternatives: [], sorts: [], extremes: [], needed: new Set() })
  }
  // Of a single table, EXPLAIN leaves its name out here and there.
  const [single] = asked.values()
  if (asked.size === 1 && single) asked.set('', single)
  for (const node of nodes) {
    for (const field of conditionFields) if (typeof node[field] === 'string') condition(expressionOf(node[field]), asked)
    const keys = (node['Sort Key'] ?? node['Group Key'] ?? []) as string[]
    if (keys.length > 0) sorting(keys, asked)
    if (node['Node Type'] === 'Aggregate' && !node['Group Key']) for (const output of (node['Output'] ?? []) as string[]) extreme(expressionOf(output), asked)
    if (node.Alias !== undefined && asked.has(node.Alias)) for (const output of (node['Output'] ?? []) as string[]) for (const { alias, column } of columnsIn(expressionOf(output))) asked.get(alias)?.needed.add(column)
  }
  return [...new Set(asked.values())]
}

function condition(tree: Tree | undefined, asked: ReadonlyMap<string, Asked>): void {
  for (const part of conjuncts(tree)) {
    if (part['BoolExpr']?.boolop === 'OR_EXPR') {
      alternative(part, asked)
      continue
    }
    for (const [alias, term] of termsOf(part)) asked.get(alias)?.terms.push(term)
  }
}

/** Several indexes together serve an OR, where each of its arms has one; all arms have to be of one table. */
function alternative(tree: Tree, asked: ReadonlyMap<string, Asked>): void {
  const arms = (tree['BoolExpr'].args as Tree[]).map((arm) => conjuncts(arm).flatMap(termsOf))
  const aliases = new Set(columnsIn(tree).map(({ alias }) => alias))
  const [alias] = aliases
  if (aliases.size === 1 && alias !== undefined && arms.every((arm) => arm.length > 0)) asked.get(alias)?.alternatives.push(arms.map((arm) => arm.map(([, term]) => term)))
}

function conjuncts(tree: Tree | undefined): Tree[] {
  if (!tree) return []
  return tree['BoolExpr']?.boolop === 'AND_EXPR' ? (tree['BoolExpr'].args as Tree[]).flatMap(conjuncts) : [tree]
}

const shapes: Readonly<Record<string, Term['shape']>> = {
  '=': 'equal', '<': 'range', '>': 'range', '<=': 'range', '>=': 'range', '<>': 'unequal', '~~': 'pattern', '~~*': 'pattern', '~': 'pattern', '~*': 'pattern', '^@': 'pattern',
  '@>': 'contains', '<@': 'contains', '&&': 'contains', '?': 'contains', '?|': 'contains', '?&': 'contains', '@@': 'contains', '%': 'contains', '@?': 'contains',
}
const mirrored: Readonly<Record<string, string>> = { '<': '>', '>': '<', '<=': '>=', '>=': '<=' }

/** What one condition says of each table in it. */
function termsOf(tree: Tree): [alias: string, term: Term][] {
  const isConstant = !JSON.stringify(tree).includes('"ParamRef"') && new Set(columnsIn(tree).map(({ alias }) => alias)).size === 1
  const constant = isConstant ? sqlOf(tree) : undefined
  const expression = tree['A_Expr']
  const made = (side: Tree, shape: Term['shape'], operator: string, comparand: Tree | undefined, keys: Key[] = []): [string, Term][] => {
    const key = keyOf(side)
    return key ? [[key.alias, { shape, key, operator, other: comparand, isJoin: comparand !== undefined && columnsIn(comparand).length > 0, isAny: expression?.kind === 'AEXPR_OP_ANY', keys, constant }]] : []
  }
  const test = tree['NullTest']
  if (test) return made(test.arg as Tree, test.nulltesttype === 'IS_NULL' ? 'null' : 'other', test.nulltesttype === 'IS_NULL' ? 'is null' : 'is not null', undefined)
  const negated = tree['BoolExpr']?.boolop === 'NOT_EXPR' ? tree['BoolExpr'].args[0] as Tree : undefined
  if (columnOf(negated ?? tree)) return made(negated ?? tree, 'equal', negated ? 'is false' : 'is true', undefined)
  const [left, right] = [expression?.lexpr, expression?.rexpr] as [Tree | undefined, Tree | undefined]
  if (!expression || !left || !right || !['AEXPR_OP', 'AEXPR_OP_ANY', 'AEXPR_OP_ALL', 'AEXPR_DISTINCT'].includes(expression.kind as string)) return other(tree, constant)
  const operator = expression.kind === 'AEXPR_DISTINCT' ? 'is distinct from' : expression.name.at(-1).String.sval as string
  const shape = ['AEXPR_OP_ALL', 'AEXPR_DISTINCT'].includes(expression.kind as string) ? 'unequal' : shapes[operator] ?? 'other'
  if (left['RowExpr'] && shape === 'range') {
    const keys = (left['RowExpr'].args as Tree[]).map((one) => keyOf(one))
    return keys.every((key) => key !== undefined && key.alias === keys[0]?.alias) ? made(left['RowExpr'].args[0] as Tree, 'rows', operator, right, keys as Key[]) : []
  }
  const [ours, theirs] = [aliasesIn(left), aliasesIn(right)]
  if (ours.some((alias) => theirs.includes(alias))) return []
  return [...made(left, shape, operator, right), ...expression.kind === 'AEXPR_OP' ? made(right, shape, mirrored[operator] ?? operator, left) : []]
}

/** Neither a comparison nor a test: yet a constant one may say which rows an index is made of. */
function other(tree: Tree, constant: string | undefined): [string, Term][] {
  const [first] = columnsIn(tree)
  const key = first && keyOf({ ColumnRef: { fields: [{ String: { sval: first.alias } }, { String: { sval: first.column } }] } })
  return key && constant !== undefined ? [[key.alias, { shape: 'other', key, operator: '', other: undefined, isJoin: false, isAny: false, keys: [], constant }]] : []
}

function aliasesIn(tree: Tree): string[] { return [...new Set(columnsIn(tree).map(({ alias }) => alias))] }

/** An expression on one table's columns, without parameters; undefined for a value. */
export function keyOf(tree: Tree): Key & { alias: string } | undefined {
  const columns: ColumnName[] = columnsIn(tree)
  const [first] = columns
  if (!first || columns.some(({ alias }) => alias !== first.alias) || JSON.stringify(tree).includes('"ParamRef"')) return undefined
  const cast = tree['TypeCast']?.arg as Tree | undefined
  const kind = columnOf(tree) ? 'column' : cast && columnOf(cast) ? 'cast' : 'expression'
  const sql = sqlOf(tree)
  return { alias: first.alias, sql: kind === 'column' || (tree['FuncCall'] && !tree['FuncCall'].funcformat?.includes('SYNTAX')) ? sql : `(${sql})`, columns: [...new Set(columns.map(({ column }) => column))], kind, tree }
}

function sorting(texts: readonly string[], asked: ReadonlyMap<string, Asked>): void {
  const keys = texts.map((text) => {
    const sort = sortOf(text)
    const key = sort && keyOf(sort['node'] as Tree)
    return key && { alias: key.alias, key, descending: sort['sortby_dir'] === 'SORTBY_DESC', nulls: sort['sortby_nulls'] === 'SORTBY_NULLS_FIRST' ? 'first' as const : sort['sortby_nulls'] === 'SORTBY_NULLS_LAST' ? 'last' as const : undefined }
  })
  const [first] = keys
  if (!first) return
  const own = keys.findIndex((key) => key?.alias !== first.alias)
  asked.get(first.alias)?.sorts.push((own === -1 ? keys : keys.slice(0, own)) as SortKey[])
}

function extreme(tree: Tree | undefined, asked: ReadonlyMap<string, Asked>): void {
  const call = tree?.['FuncCall'] as { funcname: Tree[]; args?: Tree[] } | undefined
  const argument = call?.args?.[0]
  const key = call && ['min', 'max'].includes(call.funcname.at(-1)?.['String']?.sval as string) && argument ? keyOf(argument) : undefined
  if (key) asked.get(key.alias)?.extremes.push(key)
}
