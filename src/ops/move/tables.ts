import pg from 'pg'
import type { AppDefinition } from '../../app/index.ts'
import { failed } from '../../base/index.ts'
import { snakeName } from '../../data/index.ts'

/** A table that is moved, by its name as SQL writes it, and its columns that hold something of their own. */
export interface Table {
  readonly name: string
  /** Its schema and its name, not quoted. */
  readonly path: string
  readonly columns: readonly string[]
  /** False: what changes in it is in no log, and is seen by comparing only. */
  readonly isLogged: boolean
  /** Whether the log says by a key, or whole, which row changed. */
  readonly hasIdentity: boolean
}

/** Where an application's own tables are, and the platform's. */
export function schemasOf(app: AppDefinition): string[] { return ['tenfold', ...[...app.modules.values()].map(({ name }) => snakeName(name))] }

export const migrationsTable = 'tenfold.migrations'

/** What each server keeps of its own. */
const ownOfEach = new Set([migrationsTable, 'tenfold.heartbeat'])

/**
 * The tables of these schemas, each behind those that it refers to, so that no key is copied before what it names.
 * Errors: `topology`, where tables refer to each other in a circle.
 */
export async function tablesOf(client: pg.Client, schemas: readonly string[]): Promise<Table[]> {
  const { rows } = await client.query<Table & { needs: string[] }>(`
    select format('%I.%I', n.nspname, c.relname) as name, n.nspname || '.' || c.relname as path, c.relpersistence = 'p' as "isLogged",
      c.relreplident = 'f' or exists (select from pg_index i where i.indrelid = c.oid and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end) as "hasIdentity",
      (select array_agg(quote_ident(a.attname) order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
      coalesce((select array_agg(distinct format('%I.%I', fn.nspname, f.relname)) from pg_constraint k join pg_class f on f.oid = k.confrelid join pg_namespace fn on fn.oid = f.relnamespace
        where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid), '{}') as needs
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname = any($1) order by 1`, [schemas])
  const waiting = new Map(rows.filter(({ name }) => !ownOfEach.has(name)).map((row) => [row.name, row]))
  const ordered: Table[] = []
  while (waiting.size > 0) {
    const free = [...waiting.values()].filter(({ needs }) => needs.every((name) => !waiting.has(name)))
    if (free.length === 0) throw failed('topology', `The tables ${[...waiting.keys()].join(', ')} refer to each other in a circle, and cannot be copied one after the other: make one of their foreign keys deferrable by dropping it first.`)
    for (const { needs: _needs, ...table } of free) {
      ordered.push(table)
      waiting.delete(table.name)
    }
  }
  return ordered
}

/** What a table holds, whatever the order of its rows: two servers that have the same rows say the same. */
export interface Sum { readonly rows: number; readonly sum: string }

export async function sumOf(client: pg.Client, { name, columns }: Pick<Table, 'name' | 'columns'>): Promise<Sum> {
  const { rows: [row] } = await client.query<{ rows: number; sum: string }>(`select count(*)::float8 as rows, coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint::numeric), 0)::text as sum from (select ${columns.join(', ')} from ${name}) as t`)
  return row ?? { rows: 0, sum: '0' }
}

/** How text is written depends on these; both servers write it the same way. */
export const sameText = `set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set extra_float_digits = 1; set statement_timeout = 0`

/** Where counters stand, so that nothing is given out twice. */
export async function copySequences(source: pg.Client, target: pg.Client, schemas: readonly string[]): Promise<void> {
  const { rows } = await source.query<{ name: string; last: string | null }>(`select format('%I.%I', schemaname, sequencename) as name, last_value::text as last from pg_sequences where schemaname = any($1)`, [schemas])
  for (const { name, last } of rows) if (last !== null) await target.query('select setval($1::regclass, $2::bigint)', [name, last])
}
