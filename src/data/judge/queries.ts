import type { Node } from 'libpg-query'
import type pg from 'pg'
import { nodesNamed, type Statement } from './parse.ts'

/** The queries that a statement runs, as far as its text says them. */
export interface Queries {
  readonly nodes: readonly Node[]
  /** Whether it runs others that it puts together itself: then what it says of a table is not all. */
  readonly hidden: boolean
  /** Whether it calls functions that are not Postgres' own. */
  readonly calls: boolean
}

const running = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'CreateTableAsStmt', 'DeclareCursorStmt', 'CallStmt', 'CopyStmt'])

/** Of a DO block, those that stand in its body. */
export async function queriesOf(client: pg.Client, statement: Statement): Promise<Queries> {
  const said = await queriesIn(statement)
  return { ...said, calls: await callsOthers(client, said.nodes) }
}

async function queriesIn({ node, kind, text }: Statement): Promise<Omit<Queries, 'calls'>> {
  if (kind === 'DoStmt') return await queriesInBlock(text)
  if ('ExplainStmt' in node) return { nodes: isAnalyzed(node.ExplainStmt.options) && node.ExplainStmt.query ? [node.ExplainStmt.query] : [], hidden: false }
  return { nodes: running.has(kind) ? [node] : [], hidden: false }
}

const isAnalyzed = (options: readonly Node[] = []) => options.some((option) => 'DefElem' in option && option.DefElem.defname === 'analyze')

async function queriesInBlock(text: string): Promise<Omit<Queries, 'calls'>> {
  const { parse, parsePlPgSQL } = await import('libpg-query')
  try {
    const body: unknown = await parsePlPgSQL(text)
    const said = nodesNamed<{ query?: string; parseMode?: number }>(body, 'PLpgSQL_expr').map(({ query = '', parseMode }) => asQuery(query, parseMode))
    const parsed = await Promise.all(said.map((query) => parse(query)))
    return { nodes: parsed.flatMap(({ stmts = [] }) => stmts.flatMap(({ stmt }) => stmt ?? [])), hidden: nodesNamed(body, 'PLpgSQL_stmt_dynexecute').length + nodesNamed(body, 'PLpgSQL_stmt_dynfors').length > 0 }
  } catch { // another language, or a form that the parser alone does not resolve
    return { nodes: [], hidden: true }
  }
}

/** PL/pgSQL keeps expressions and assignments as they are written (RawParseMode in Postgres' parser.h: 0 is a statement, 2 an expression, 3 and more assignments). */
function asQuery(query: string, mode = 0): string {
  if (mode === 0) return query
  return `select ${mode === 2 ? query : query.replace(/^[^=]*?:?=/, '')}`
}

/** Whether it waits by itself, for however long. */
export const sleeps = (nodes: readonly Node[]): boolean => called(nodes).some((name) => /^pg_sleep(_for|_until)?$/.test(name))

/** Whether it calls functions that are not Postgres' own, and may do anything. */
async function callsOthers(client: pg.Client, nodes: readonly Node[]): Promise<boolean> {
  const names = called(nodes)
  return names.length > 0 && (await client.query('select from pg_proc where proname = any ($1) and pronamespace <> $2::regnamespace limit 1', [names, 'pg_catalog'])).rowCount === 1
}

function called(nodes: readonly Node[]): string[] {
  return nodesNamed<{ funcname?: Node[] }>(nodes, 'FuncCall').flatMap(({ funcname = [] }) => {
    const name = funcname.at(-1)
    return name !== undefined && 'String' in name ? [name.String.sval ?? ''] : []
  })
}
