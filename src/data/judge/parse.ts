import type { Node } from 'libpg-query'
import { failed } from '../../base/index.ts'

/** One statement of a file, as it stands there. */
export interface Statement {
  readonly text: string
  /** Where its first word stands in the file, counted from 1. */
  readonly line: number
  /** What Postgres' own parser calls it, such as `AlterTableStmt`. */
  readonly kind: string
  readonly node: Node
  /** Where `node` counts its locations from: bytes of the file before `text`. */
  readonly startByte: number
}

const textOf = new TextDecoder('utf-8', { fatal: true })

/** The text of a file's bytes. Errors: `migration`, when they are not text that Postgres takes. */
export function sqlText(bytes: Uint8Array, name: string, what: 'migration' | 'schema' = 'migration'): string {
  let text: string
  try {
    text = textOf.decode(bytes)
  } catch (cause) {
    throw failed('migration', `The ${what} ${name} is no UTF-8 text: save it as UTF-8, or put the SQL file there that was meant.`, { cause })
  }
  if (text.includes('\0')) throw failed('migration', `The ${what} ${name} holds a zero byte, which no SQL text does: put the SQL file there that was meant.`)
  return text
}

/**
 * The statements of a file, parsed by Postgres' own parser (libpg_query, of Postgres 18). A file of nothing but comments has none.
 * The parser is loaded when it is first needed: some 15 MB that a process which migrates nothing does without. Errors: `migration`, with the line.
 */
export async function parseStatements(sql: string, name: string, what: 'migration' | 'schema' = 'migration'): Promise<Statement[]> {
  if (sql.trim() === '') return []
  const { parse } = await import('libpg-query')
  const bytes = Buffer.from(sql)
  try {
    const { stmts = [] } = await parse(sql)
    return stmts.flatMap(({ stmt, stmt_location: from = 0, stmt_len: length }) => {
      if (stmt === undefined) return []
      const raw = bytes.subarray(from, length === undefined ? undefined : from + length).toString()
      const text = withoutLeadingComments(raw)
      const startByte = from + Buffer.byteLength(raw) - Buffer.byteLength(text)
      return [{ text: text.trimEnd(), line: lineAt(bytes, startByte), kind: Object.keys(stmt)[0] ?? '', node: stmt, startByte }]
    })
  } catch (cause) {
    throw syntaxFault(sql, `${what} ${name}`, cause)
  }
}

function syntaxFault(sql: string, name: string, cause: unknown): Error {
  const { sqlDetails: { cursorPosition = 0 } = {}, message } = cause as { sqlDetails?: { cursorPosition?: number }; message: string }
  const line = sql.slice(0, cursorPosition).split('\n').length
  const meta = /^\s*\\/.test(sql.split('\n')[line - 1] ?? '')
  return failed('migration', `The ${name} cannot be read: ${message}, in line ${line}. ${meta ? 'Commands that begin with \\ are psql\'s own: write what they stand for in SQL.' : 'Correct it and start again.'}`, { cause })
}

const lineAt = (bytes: Buffer, position: number) => bytes.subarray(0, position).toString().split('\n').length

/** A parsed statement begins behind the `;` before it, so that comments come along. */
function withoutLeadingComments(sql: string): string {
  let at = 0
  for (;;) {
    while (/\s/.test(sql[at] ?? '')) at++
    if (sql.startsWith('--', at)) {
      const end = sql.indexOf('\n', at)
      at = end < 0 ? sql.length : end + 1
    } else if (sql.startsWith('/*', at)) at = behindComment(sql, at)
    else return sql.slice(at)
  }
}

/** Postgres' block comments nest. */
function behindComment(sql: string, from: number): number {
  let [depth, at] = [0, from]
  do {
    if (sql.startsWith('/*', at)) { depth++; at += 2 } else if (sql.startsWith('*/', at)) { depth--; at += 2 } else at++
  } while (depth > 0 && at < sql.length)
  return at
}

/** Every node of that name below, such as `RangeVar`, `RoleSpec`, `ParamRef`. */
export function nodesNamed<T>(tree: unknown, name: string): T[] {
  if (tree === null || typeof tree !== 'object') return []
  return Object.entries(tree).flatMap(([key, value]) => [...key === name ? [value as T] : [], ...nodesNamed<T>(value, name)])
}
