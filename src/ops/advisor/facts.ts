import type pg from 'pg'

/** What the catalogue and the statistics say of a table. */
export interface TableFacts {
  readonly oid: string
  readonly schema: string
  readonly table: string
  /** Quoted where it has to be: `catalogue.products`. */
  readonly name: string
  /** Where it is a partition: what it is a part of; an index is made there. */
  readonly root: string
  readonly isPartitioned: boolean
  readonly rows: number
  readonly pages: number
  readonly writes: Writes
  readonly analyzedAt: string | null
  readonly columns: ReadonlyMap<string, ColumnFacts>
  readonly indexes: readonly IndexFacts[]
}

export interface Writes { readonly inserts: number; readonly updates: number; readonly hotUpdates: number; readonly deletes: number }

export interface ColumnFacts {
  /** As SQL writes it, such as `character varying(20)`. */
  readonly type: string
  /** Of a domain, what it is made of; one letter of `pg_type.typcategory`. */
  readonly base: string
  readonly category: string
  /** Whether its texts are ordered byte by byte, so that a plain index serves LIKE 'x%'. */
  readonly isBytewise: boolean
  readonly distinct: number
  /** The commonest value; undefined where none is commoner than the rest. */
  readonly commonest: string | undefined
  /** Values that part all rows into equal shares; empty where this is not known. */
  readonly bounds: readonly string[]
}

export interface IndexFacts { readonly name: string; readonly method: string; readonly keys: readonly string[]; readonly isUnique: boolean; readonly predicate: string | null; readonly definition: string; readonly valid: boolean }

interface TableRow { oid: string; name: string; root: string; partitioned: boolean; rows: number; pages: number; inserts: number; updates: number; hot: number; deletes: number; analyzed: string | null }

const tableText = `
  select c.oid::text, c.oid::regclass::text as name, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text as root, c.relispartition or c.relkind = 'p' as partitioned,
    greatest(c.reltuples, n_live_tup, 0)::float8 as rows, c.relpages as pages, coalesce(n_tup_ins, 0)::float8 as inserts, coalesce(n_tup_upd, 0)::float8 as updates, coalesce(n_tup_hot_upd, 0)::float8 as hot, coalesce(n_tup_del, 0)::float8 as deletes,
    greatest(s.last_analyze, s.last_autoanalyze)::text as analyzed
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_user_tables s on s.relid = c.oid where n.nspname = $1 and c.relname = $2`
const columnsText = `
  select a.attname as column, format_type(a.atttypid, a.atttypmod) as type, b.typname as base, b.typcategory as category, coalesce(l.collcollate in ('C', 'POSIX') or (l.collname = 'default' and (d.datlocprovider = 'b' or (d.datcollate in ('C', 'POSIX') and d.datlocprovider = 'c'))) or l.collname = 'ucs_basic', false) as bytewise,
    (case when s.n_distinct < 0 then -s.n_distinct * greatest(c.reltuples, 1) else coalesce(s.n_distinct, 1) end)::float8 as distinct,
    (s.most_common_vals::text::text[])[1] as commonest, coalesce(s.histogram_bounds::text::text[], '{}') as bounds
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
    join pg_database d on d.datname = current_database() left join pg_collation l on l.oid = a.attcollation left join lateral (select * from pg_stats s where s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname order by s.inherited desc limit 1) s on true
  where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped`
const indexesText = `
  select c.relname as name, m.amname as method, array(select pg_get_indexdef(i.indexrelid, k, true) from generate_series(1, i.indnkeyatts) k) as keys, i.indisunique as "isUnique", pg_get_expr(i.indpred, i.indrelid) as predicate, pg_get_indexdef(i.indexrelid) as definition, i.indisvalid as valid
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam where i.indrelid = $1::oid order by 1`

/** Errors: the driver's. Undefined: no such table, such as one of a function. */
export async function factsOf(client: pg.Client, schema: string, table: string): Promise<TableFacts | undefined> {
  const [row] = (await client.query<TableRow>(tableText, [schema, table])).rows
  if (!row) return undefined
  const columns = (await client.query<Omit<ColumnFacts, 'commonest' | 'isBytewise'> & { column: string; bytewise: boolean; commonest: string | null }>(columnsText, [row.oid])).rows
  const indexes = (await client.query<IndexFacts>(indexesText, [row.oid])).rows
  return {
    oid: row.oid, schema, table, name: row.name, root: row.root, isPartitioned: row.partitioned, rows: row.rows, pages: row.pages, analyzedAt: row.analyzed,
    writes: { inserts: row.inserts, updates: row.updates, hotUpdates: row.hot, deletes: row.deletes }, indexes,
    columns: new Map(columns.map(({ column, type, base, category, bytewise, distinct, commonest, bounds }) => [column, { type, base, category, isBytewise: bytewise, distinct, commonest: commonest ?? undefined, bounds }])),
  }
}

/** How often each table was written to, by its name; a copy does not know. */
export async function writesOn(client: pg.Client): Promise<Map<string, Writes>> {
  const { rows } = await client.query<Writes & { name: string }>('select relid::regclass::text as name, n_tup_ins::float8 as inserts, n_tup_upd::float8 as updates, n_tup_hot_upd::float8 as "hotUpdates", n_tup_del::float8 as deletes from pg_stat_user_tables')
  return new Map(rows.map(({ name, ...writes }) => [name, writes]))
}

/** Whether turning that column into that type changes nothing but its name, so that an index on the column serves. */
export function isRelabelled(facts: ColumnFacts | undefined, to: string): boolean {
  return facts !== undefined && ['varchar', 'text'].includes(facts.base) && ['text', 'varchar'].includes(to)
}

/** 1,234 or 5.6 million: for people. */
export function counted(number: number): string {
  return number >= 1e7 ? `${(number / 1e6).toFixed(0)} million` : number >= 1e6 ? `${(number / 1e6).toFixed(1)} million` : Math.round(number).toLocaleString('en-US')
}

export function bytes(number: number): string {
  if (number >= 1024 ** 3) return `${(number / 1024 ** 3).toFixed(1)} GB`
  return number >= 1024 ** 2 ? `${(number / 1024 ** 2).toFixed(number >= 1e7 ? 0 : 1)} MB` : `${Math.ceil(number / 1024)} kB`
}
