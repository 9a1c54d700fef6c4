import { failed } from '../../base/errors.ts'

/** A node of Postgres' own parse tree, as JSON: one key, its kind, with what belongs to it. */
export type Tree = { readonly [kind: string]: any }

type Parser = Pick<typeof import('libpg-query'), 'parseSync'> & Pick<typeof import('pgsql-deparser'), 'deparseSync'>
let loaded: Parser | undefined

/** Loads Postgres' own parser (WASM) once, and not before: what is long-lived and never asks for it does not carry it. All that follows needs it. */
export async function loadParser(): Promise<void> {
  if (loaded) return
  const [{ loadModule, parseSync }, { deparseSync }] = await Promise.all([import('libpg-query'), import('pgsql-deparser')])
  await loadModule()
  loaded = { parseSync, deparseSync }
}

function parser(): Parser {
  if (!loaded) throw failed('internal', 'The parser was not loaded: await loadParser() first.')
  return loaded
}

/** The statements of a text, as trees. Errors: Postgres' own, of its syntax. */
export function parsed(text: string): { stmt?: Tree; stmt_location?: number; stmt_len?: number }[] { return parser().parseSync(text).stmts ?? [] }

export interface SourceStatement { readonly text: string; readonly kind: string; readonly line: number }

/** The statements of a text, each as it stands there. Errors: `usage`, with Postgres' own words. */
export async function statementsOf(text: string, where: string): Promise<SourceStatement[]> {
  await loadParser()
  let stmts: ReturnType<typeof parsed>
  try {
    stmts = parsed(text)
  } catch (cause) {
    throw failed('usage', `${where} cannot be read as SQL: ${(cause as Error).message}. Statements end with a semicolon; psql's own commands (\\...) and COPY ... FROM STDIN are not SQL.`, { cause })
  }
  const bytes = Buffer.from(text) // the parser counts bytes
  return stmts.map(({ stmt, stmt_location: start = 0, stmt_len: length = bytes.length - start }) => {
    const own = bytes.subarray(start, start + length).toString()
    const at = start + (/^(\s|--.*(\n|$))*/.exec(own)?.[0].length ?? 0)
    return { text: own.trim(), kind: Object.keys(stmt ?? {})[0] ?? '', line: bytes.subarray(0, at).toString().split('\n').length }
  })
}

/** What EXPLAIN names that is no SQL: the answer of a subplan, which to a scan is one value. */
const subplans = /\((?:hashed )?(?:Sub|Init)Plan \d+\)(?:\.col\d+)?|\$0\b/g

/** One expression as EXPLAIN writes it; undefined where it is not one (`alternatives: SubPlan 1 or ...`). */
export function expressionOf(text: string): Tree | undefined { return sortOf(text)?.['node'] as Tree | undefined }

/** One sort key as EXPLAIN writes it: its expression, and which way. */
export function sortOf(text: string): Tree | undefined {
  try {
    const [first] = parsed(`select order by ${text.replaceAll(subplans, 'null')}`)
    return first?.stmt?.['SelectStmt']?.sortClause?.[0]?.SortBy as Tree | undefined
  } catch { return undefined }
}

/** The expression as SQL, its columns without the name of their table. */
export function sqlOf(tree: Tree): string {
  return parser().deparseSync(unqualified(tree) as never, { pretty: false })
}

function unqualified(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(unqualified)
  if (typeof tree !== 'object' || tree === null) return tree
  const column = (tree as Tree)['ColumnRef'] as { fields: unknown[] } | undefined
  if (column) return { ColumnRef: { fields: column.fields.slice(-1) } }
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, unqualified(value)]))
}

export interface ColumnName { readonly alias: string; readonly column: string }

/** A column with its table, as EXPLAIN VERBOSE names it; undefined for anything else. */
export function columnOf(tree: Tree | undefined): ColumnName | undefined {
  const names = ((tree?.['ColumnRef']?.fields ?? []) as Tree[]).map((field) => field['String']?.sval as string | undefined)
  const [alias, column] = names.length === 1 ? ['', names[0]] : names.slice(-2)
  return alias === undefined || column === undefined ? undefined : { alias, column }
}

/** Everything of that kind in a tree. */
export function findAll(tree: unknown, kind: string): any[] {
  if (Array.isArray(tree)) return tree.flatMap((part) => findAll(part, kind))
  if (typeof tree !== 'object' || tree === null) return []
  return Object.entries(tree).flatMap(([key, value]) => [...key === kind ? [value] : [], ...findAll(value, kind)])
}

export function columnsIn(tree: unknown): ColumnName[] {
  return findAll(tree, 'ColumnRef').map((found: unknown) => columnOf({ ColumnRef: found })).filter((name) => name !== undefined)
}
