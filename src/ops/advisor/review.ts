import type pg from 'pg'
import { bytes, counted } from './facts.ts'

/** Indexes that nobody uses, those that another makes needless, and foreign keys that lack one: from the catalogue alone. */
export interface Review {
  readonly unused: readonly UnusedIndex[]
  readonly duplicates: readonly DuplicateIndex[]
  readonly foreignKeys: readonly LoneForeignKey[]
}
export interface UnusedIndex { readonly index: string; readonly table: string; readonly sizeBytes: number; readonly sinceDays: number | undefined; readonly sql: string; readonly says: string }
export interface DuplicateIndex { readonly index: string; readonly servedBy: string; readonly table: string; readonly sizeBytes: number; readonly sql: string; readonly says: string }
export interface LoneForeignKey { readonly constraint: string; readonly table: string; readonly parent: string; readonly columns: readonly string[]; readonly rows: number; readonly probe: string; readonly sql: string; readonly says: string }

interface IndexRow {
  name: string; table: string; method: string; unique: boolean; constraint: string | null; identity: boolean; valid: boolean; clustered: boolean; /** Of a partitioned table: its partitions' are parts of it, and go with it. */ partitioned: boolean
  /** Of each key: the column's number or the expression, how it is compared, and which way round. */
  keys: string[]; options: number[]; include: string[]; predicate: string; scans: number; size: number; serves: boolean; rows: number
}

const indexText = `
  select i.indexrelid::regclass::text as name, i.indrelid::regclass::text as table, m.amname as method, i.indisunique as unique,
    (select conname from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x') limit 1) as constraint,
    i.indisreplident or (r.relreplident = 'd' and i.indisprimary) as identity, i.indisvalid as valid, i.indisclustered as clustered, c.relkind = 'I' as partitioned,
    array(select concat_ws(' ', coalesce(nullif(i.indkey[k], 0)::text, pg_get_indexdef(i.indexrelid, k + 1, false)), i.indclass[k], i.indcollation[k]) from generate_series(0, i.indnkeyatts - 1) k) as keys,
    array(select i.indoption[k]::int from generate_series(0, i.indnkeyatts - 1) k) as options, array(select i.indkey[k]::text from generate_series(i.indnkeyatts, i.indnatts - 1) k) as include,
    coalesce(pg_get_expr(i.indpred, i.indrelid), '') as predicate, p.scans, p.size, greatest(r.reltuples, 0)::float8 as rows,
    exists (select from pg_constraint f where f.contype = 'f' and f.conrelid = i.indrelid and f.conkey[1] = i.indkey[0]) as serves
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class r on r.oid = i.indrelid join pg_am m on m.oid = c.relam join pg_namespace n on n.oid = r.relnamespace
    cross join lateral (select coalesce(sum(pg_stat_get_numscans(part)), 0)::float8 as scans, coalesce(sum(pg_relation_size(part)), 0)::float8 as size from (select i.indexrelid::oid as part union select relid from pg_partition_tree(i.indexrelid)) parts) p
  where not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'tenfold') and r.relpersistence <> 't' order by i.indrelid::regclass::text, c.oid`

// A child's index serves where its first columns are those of the key, in any order: the check asks for equality of all.
const foreignText = `
  select f.conname as constraint, f.conrelid::regclass::text as table, f.confrelid::regclass::text as parent, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::float8 as rows, (select coalesce(sum(pg_relation_size(part)), 0) from (select c.oid as part union select relid from pg_partition_tree(c.oid)) parts)::float8 as size,
    array(select a.attname::text from unnest(f.conkey) with ordinality k(number, position) join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number order by position) as columns,
    array(select quote_ident(a.attname) from unnest(f.conkey) with ordinality k(number, position) join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number order by position) as quoted, f.confdeltype as deletes, c.relkind = 'p' as partitioned
  from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
  where f.contype = 'f' and f.conparentid = 0 and n.nspname not in ('pg_catalog', 'information_schema', 'tenfold') and not exists (
    select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam where i.indrelid = f.conrelid and i.indisvalid and i.indpred is null
      and (m.amname = 'btree' or (m.amname = 'hash' and cardinality(f.conkey) = 1)) and i.indnkeyatts >= cardinality(f.conkey)
      and (select array_agg(k order by k) from unnest((i.indkey::int2[])[0:cardinality(f.conkey) - 1]) k) = (select array_agg(k order by k) from unnest(f.conkey) k))
  order by c.reltuples desc, 1`

/** `usedBy`: servers whose counts say what is used, the primary's replicas among them; undefined where nothing is counted. Errors: the driver's. */
export async function review(client: pg.Client, { usedBy }: { usedBy: readonly pg.Client[] | undefined }): Promise<Review> {
  const { rows: indexes } = await client.query<IndexRow>(indexText)
  for (const server of usedBy ?? []) {
    if (server === client) continue
    const { rows: there } = await server.query<IndexRow>(indexText)
    const scans = new Map(there.map((index) => [index.name, index.scans]))
    for (const index of indexes) index.scans += scans.get(index.name) ?? 0
  }
  const { rows: [since] } = await client.query<{ days: number | null }>(`select (extract(epoch from now() - coalesce(stats_reset, pg_postmaster_start_time())) / 86400)::float8 as days from pg_stat_database where datname = current_database()`)
  const duplicates = duplicatesAmong(indexes)
  const duplicated = new Set(duplicates.map(({ index }) => index))
  const { rows: keys } = await client.query<{ constraint: string; table: string; parent: string; rows: number; size: number; columns: string[]; quoted: string[]; deletes: string; partitioned: boolean }>(foreignText)
  return {
    duplicates, unused: usedBy ? indexes.filter((index) => isUnused(index) && !duplicated.has(index.name)).map((index) => unused(index, since?.days ?? undefined, usedBy.length)) : [],
    foreignKeys: keys.map(({ constraint, table, parent, rows, size, columns, quoted, deletes, partitioned }) => ({
      constraint, table, parent, columns, rows, probe: `select 1 from ${partitioned ? '' : 'only '}${table} x where ${quoted.map((column, index) => `${column} = $${index + 1}`).join(' and ')} for key share of x`,
      sql: `create index ${partitioned ? '' : 'concurrently '}${`${table.split('.').at(-1)?.replaceAll('"', '')}_${columns.join('_')}`.toLowerCase().replaceAll(/\W+/g, '_').slice(0, 59)}_idx on ${table} (${quoted.join(', ')})`,
      says: `Each row that is deleted from ${parent}${deletes === 'c' ? ' (and takes its rows here along)' : ''}, or whose key changes, reads all of ${table} (${counted(rows)} rows, ${bytes(size)}) to see whether it is referred to, and holds its lock meanwhile${rows < 1_000 ? '; the table is small yet' : ''}.`,
    })),
  }
}

/** What holds a rule up is used by every write, whatever is counted; and what serves a foreign key waits for the day a parent is deleted. */
function isUnused({ scans, unique, constraint, identity, clustered, serves, valid }: IndexRow): boolean {
  return scans === 0 && !unique && constraint === null && !identity && !clustered && !serves && valid
}

function unused({ name, table, size, partitioned }: IndexRow, days: number | undefined, servers: number): UnusedIndex {
  const young = days === undefined || days < 30
  const where = servers > 1 ? ` on any of ${servers} servers` : ''
  const time = days === undefined ? 'since counting began' : `in the ${days < 1 ? 'less than a day' : `${counted(days)} days`} that are counted`
  const elsewhere = servers > 1 ? '' : young ? ', and see that no replica uses it' : ' A replica counts for itself: see there too.'
  return {
    index: name, table, sizeBytes: size, sinceDays: days === undefined ? undefined : Math.round(days * 10) / 10, sql: drop(name, partitioned),
    says: `No statement has used it${where} ${time}; it takes ${bytes(size)}, and every write keeps it up to date.${young ? ` That is too short to be sure: wait until the rarest report has run (a month)${elsewhere}.` : elsewhere}`,
  }
}

/** Postgres drops those of a partitioned table only with its writers waiting. */
function drop(name: string, isPartitioned: boolean): string { return `drop index ${isPartitioned ? '' : 'concurrently '}${name}` }

function duplicatesAmong(indexes: readonly IndexRow[]): DuplicateIndex[] {
  const found: DuplicateIndex[] = []
  for (const index of indexes) {
    const better = indexes.find((other) => other !== index && other.table === index.table && replaces(other, index) && !(replaces(index, other) && keeps(index, other, indexes)) && !found.some(({ index: gone }) => gone === other.name))
    if (!better || index.constraint !== null || index.identity) continue
    const same = better.keys.length === index.keys.length
    found.push({ index: index.name, servedBy: better.name, table: index.table, sizeBytes: index.size, sql: drop(index.name, index.partitioned),
      says: same ? `${better.name} holds the same${better.constraint !== null ? ', and keeps a rule of the table up' : ''}: this one is written to for nothing (${bytes(index.size)}).` : `${better.name} begins with the same columns, and serves all that this one does; this one is smaller (${bytes(index.size)} to ${bytes(better.size)}), which seldom pays for a second one at every write.` })
  }
  return found
}

/** Of two that are the same: whether the first is the one to keep. */
function keeps(one: IndexRow, other: IndexRow, all: readonly IndexRow[]): boolean {
  if ((one.constraint !== null) !== (other.constraint !== null)) return one.constraint !== null
  if (one.unique !== other.unique) return one.unique
  return all.indexOf(one) < all.indexOf(other)
}

/** Whether `better` does all that `index` does. A unique one is replaced only by one that is unique over the same columns. */
function replaces(better: IndexRow, index: IndexRow): boolean {
  if (!better.valid || better.method !== index.method || better.predicate !== index.predicate) return false
  if (index.unique && !(better.unique && better.keys.length === index.keys.length)) return false
  if (index.keys.length > better.keys.length || index.keys.some((key, position) => key !== better.keys[position])) return false
  if (index.method !== 'btree' && index.keys.length !== better.keys.length) return false
  const held = new Set([...better.keys.map((key) => key.split(' ')[0] ?? ''), ...better.include])
  if (index.include.some((column) => !held.has(column))) return false
  // Read backwards, an index gives the other order: as long as all of it is turned round.
  const turned = index.options.map((option, position) => option ^ (better.options[position] ?? 0))
  return turned.every((bits) => bits === 0) || turned.every((bits) => bits === 3)
}
