import { sql, type SelectQueryBuilder } from 'kysely'
import { failed } from '../base/index.ts'
import type { FileRef } from './context.ts'
import { type Fields, markKind, type ObjectOf, type PageInput, type PageOutput, type Schema, t } from './schema.ts'

export const pageLimitDefault = 20
export const pageLimitMax = 100

/** The input of a list that is given page by page: your fields, and `limit` (1 to 100, 20 unless told) and `cursor`. */
export function pageInput<P extends Fields>(fields: P): PageInput<P> {
  const object = t.Object({ ...fields, limit: t.Optional(t.Integer({ minimum: 1, maximum: pageLimitMax })), cursor: t.Optional(t.String({ maxLength: 2000 })) })
  return markKind(object as ObjectOf<P>, 'page')
}

export function pageOf<S extends Schema>(item: S): PageOutput<S> {
  return markKind(t.Object({ data: t.Array(item), nextCursor: t.Union([t.Null(), t.String()]), hasMore: t.Boolean() }), 'page')
}

/**
 * One page by keyset: `order` ends with a unique column, and what it names is selected. The cursor is the last row's values; at the
 * HTTP edge it is signed, so that a client can neither read meaning into it nor make one.
 */
export async function page<O>(
  select: SelectQueryBuilder<any, any, O>, input: { limit?: number | undefined; cursor?: string | undefined }, order: readonly (`${Extract<keyof O, string>}` | `${Extract<keyof O, string>} desc`)[],
): Promise<{ data: O[]; nextCursor: string | null; hasMore: boolean }> {
  const limit = input.limit ?? pageLimitDefault
  const columns = order.map((text) => ({ name: text.replace(/ desc$/, ''), descending: text.endsWith(' desc') }))
  let query: SelectQueryBuilder<any, any, any> = select
  if (input.cursor !== undefined) query = query.where(behind(columns, readCursor(input.cursor, columns.length)))
  for (const { name, descending } of columns) query = query.orderBy(name, descending ? 'desc' : 'asc')
  const rows = await query.limit(limit + 1).execute() as O[]
  const data = rows.slice(0, limit)
  const last = data.at(-1) as Record<string, unknown> | undefined
  const hasMore = rows.length > limit
  return { data, hasMore, nextCursor: hasMore && last ? JSON.stringify(columns.map(({ name }) => last[name])) : null }
}

/** (a, b) > (x, y), spelt out where directions differ. */
function behind(columns: readonly { name: string; descending: boolean }[], values: readonly unknown[]) {
  const same = columns.every((column) => column.descending === columns[0]?.descending)
  const compare = (index: number) => sql.raw(columns[index]?.descending ? '<' : '>')
  if (same) return sql<boolean>`(${sql.join(columns.map(({ name }) => sql.ref(name)))}) ${compare(0)} (${sql.join(values)})`
  const alternatives = columns.map((column, index) => {
    const equal = columns.slice(0, index).map(({ name }, before) => sql`${sql.ref(name)} = ${values[before]}`)
    return sql`(${sql.join([...equal, sql`${sql.ref(column.name)} ${compare(index)} ${values[index]}`], sql` and `)})`
  })
  return sql<boolean>`(${sql.join(alternatives, sql` or `)})`
}

function readCursor(cursor: string, count: number): unknown[] {
  try {
    const values: unknown = JSON.parse(cursor)
    if (Array.isArray(values) && values.length === count && values.every((value) => value === null || typeof value !== 'object')) return values
  } catch { /* falls through to the one answer */ }
  throw failed('bad-cursor', 'The cursor is not one that this server gave out for this list: start again without a cursor.')
}

const fileFields = t.Object({ id: t.String(), name: t.String(), type: t.String(), bytes: t.Integer(), sha256: t.String() })

/** A file as an answer: over HTTP its bytes, with its type. As an input of a command it says that the command keeps the file. */
export function fileOutput(): Schema<FileRef> { return markKind(fileFields, 'file') }

