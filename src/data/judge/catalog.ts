import type pg from 'pg'

/** What a schema holds at one moment, as the catalog says: compared before and after a statement it tells what the statement did. */
export interface Catalog {
  readonly relations: ReadonlyMap<string, Relation>
  /** By table and number: a renamed column stays itself. */
  readonly columns: ReadonlyMap<string, Column>
  readonly constraints: ReadonlyMap<string, Constraint>
  readonly indexes: ReadonlyMap<string, Index>
}
/** A table, partition, view or materialised view. `name` is as one writes it, with its schema unless the search path finds it. */
export interface Relation { readonly oid: string; readonly name: string; readonly bare: string; readonly schema: string; readonly meaning: Meaning; readonly kind: 'r' | 'p' | 'v' | 'm' | 'f'; readonly file: string | null; readonly rowSecurity: boolean; readonly isPartition: boolean; /** Of a partition: what its rows fulfil. */ readonly bounds: string | null }
export interface Column { readonly table: string; readonly tableName: string; readonly number: number; readonly name: string; readonly quoted: string; readonly type: string; readonly typeOid: string; readonly notNull: boolean; readonly default: string | null; readonly identity: string; readonly generated: string }
export interface Constraint { readonly oid: string; readonly table: string; readonly tableName: string; readonly name: string; readonly kind: string; readonly definition: string; readonly validated: boolean }
export interface Index { readonly oid: string; readonly table: string; readonly tableName: string; readonly name: string; readonly unique: boolean; readonly definition: string; /** Names, in their order; empty where it is on expressions. */ readonly columns: readonly string[] }

/** What else decides on what a statement does to a table, each by its definition. */
export interface Meaning { readonly rules: readonly string[]; readonly triggers: readonly string[]; /** While row security is on. */ readonly policies: readonly string[]; readonly restrictive: readonly string[]; readonly forced: boolean }

/** Of the team's own schemas, in one question each. */
const own = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`
const queries = {
  relations: `select c.oid::text, c.oid::regclass::text as name, c.relname as bare, n.nspname as schema, c.relkind as kind, nullif(pg_relation_filenode(c.oid), 0)::text as file, c.relrowsecurity as "rowSecurity", c.relispartition as "isPartition",
      case when c.relispartition then pg_get_partition_constraintdef(c.oid) end as bounds,
      jsonb_build_object('forced', c.relforcerowsecurity, 'rules', array(select concat_ws(' ', w.ev_enabled, pg_get_ruledef(w.oid)) from pg_rewrite w where w.ev_class = c.oid and w.ev_type <> '1' order by 1),
        'triggers', array(select concat(t.tgname, case when t.tgenabled = 'D' then ' off' end) from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal order by 1),
        'policies', array(select concat_ws(' ', p.polname, p.polcmd, p.polroles::text, pg_get_expr(p.polqual, c.oid), 'check', pg_get_expr(p.polwithcheck, c.oid)) from pg_policy p where p.polrelid = c.oid and c.relrowsecurity order by 1),
        'restrictive', array(select p.polname::text from pg_policy p where p.polrelid = c.oid and c.relrowsecurity and not p.polpermissive order by 1)) as meaning
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${own} and c.relkind in ('r', 'p', 'v', 'm', 'f')`,
  columns: `select c.oid::text || '.' || a.attnum as oid, c.oid::text as table, c.oid::regclass::text as "tableName", a.attnum as number, a.attname as name, quote_ident(a.attname) as quoted, format_type(a.atttypid, a.atttypmod) as type,
      a.atttypid::text as "typeOid", a.attnotnull as "notNull", case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end as default, a.attidentity as identity, a.attgenerated as generated
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where ${own} and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped order by c.oid, a.attnum`,
  constraints: `select k.oid::text, k.conrelid::text as table, k.conrelid::regclass::text as "tableName", quote_ident(k.conname) as name, k.contype as kind, pg_get_constraintdef(k.oid) as definition, k.convalidated as validated
    from pg_constraint k join pg_namespace n on n.oid = k.connamespace where ${own} and k.conrelid <> 0`,
  indexes: `select i.indexrelid::text as oid, i.indrelid::text as table, i.indrelid::regclass::text as "tableName", i.indexrelid::regclass::text as name, i.indisunique as unique, pg_get_indexdef(i.indexrelid) as definition,
      array(select a.attname::text from unnest(i.indkey) with ordinality k(number, place) join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number order by place) as columns
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where ${own}`,
}

export async function readCatalog(client: pg.Client): Promise<Catalog> {
  const read = async <T extends { oid: string }>(text: string) => new Map((await client.query<T>(text)).rows.map((row) => [row.oid, row]))
  return {
    relations: await read<Relation>(queries.relations), columns: await read<Column & { oid: string }>(queries.columns),
    constraints: await read<Constraint>(queries.constraints), indexes: await read<Index>(queries.indexes),
  }
}

/** What changed in the tables that were there before. */
export interface Changes {
  readonly lost: readonly Loss[]
  readonly addedColumns: readonly Column[]
  readonly retyped: readonly { readonly from: Column; readonly to: Column }[]
  readonly madeNotNull: readonly Column[]
  readonly addedConstraints: readonly Constraint[]
  readonly addedIndexes: readonly Index[]
  readonly attached: readonly Relation[]
  /** Partitions that take fewer rows than before, a default one beside a new one; and that new one, which may be made by the statement. */
  readonly narrowed: readonly Relation[]
  readonly beside: Relation | undefined
  /** Tables whose rows stand in another file since. */
  readonly replaced: readonly Relation[]
}
/** Something that a running version may still use and no longer finds as it was. */
export interface Loss { readonly what: string; readonly table: string; readonly column?: Column; readonly renamedTo?: string }

/** `existing` has the tables that count: what the same migration made, nobody uses yet. */
export function changesBetween(before: Catalog, after: Catalog, existing: ReadonlySet<string>): Changes {
  const mine = <T extends { table: string }>(map: ReadonlyMap<string, T>) => [...map].filter(([, { table }]) => existing.has(table))
  const columnsAfter = mine(after.columns)
  const pairs = mine(before.columns).flatMap(([key, from]) => { const to = after.columns.get(key); return to ? [{ from, to }] : [] })
  const relations = [...before.relations.values()].filter(({ oid }) => existing.has(oid)).flatMap((from) => { const to = after.relations.get(from.oid); return to ? [{ from, to }] : [] })
  return {
    lost: losses(before, after, existing, pairs, relations),
    addedColumns: columnsAfter.filter(([key]) => !before.columns.has(key)).map(([, column]) => column),
    retyped: pairs.filter(({ from, to }) => from.type !== to.type),
    madeNotNull: pairs.filter(({ from, to }) => to.notNull && !from.notNull).map(({ to }) => to),
    addedConstraints: mine(after.constraints).filter(([key]) => !before.constraints.has(key)).map(([, one]) => one),
    addedIndexes: mine(after.indexes).filter(([key]) => !before.indexes.has(key)).map(([, one]) => one),
    attached: relations.filter(({ from, to }) => to.isPartition && !from.isPartition).map(({ to }) => to),
    narrowed: relations.filter(({ from, to }) => from.isPartition && to.isPartition && from.bounds !== to.bounds).map(({ to }) => to),
    beside: [...after.relations.values()].find(({ oid, isPartition }) => isPartition && before.relations.get(oid)?.isPartition !== true),
    replaced: relations.filter(({ from, to }) => from.file !== null && from.file !== to.file).map(({ to }) => to),
  }
}

/** Types whose values and literals an application cannot tell apart. */
const alike = (from: Column, to: Column) => from.typeOid === to.typeOid || [from, to].every(({ type }) => /^(text|character varying)/.test(type))

function losses(before: Catalog, after: Catalog, existing: ReadonlySet<string>, pairs: readonly { from: Column; to: Column }[], relations: readonly { from: Relation; to: Relation }[]): Loss[] {
  const gone = [...before.relations.values()].filter(({ oid }) => existing.has(oid) && !after.relations.has(oid))
  const goneTables = new Set(gone.map(({ oid }) => oid))
  const replaced = new Set([...after.indexes.values()].filter(({ unique }) => unique).map(({ name }) => name)) // one that is built anew beside the old takes over its name
  const kind = ({ kind: letter }: Relation) => letter === 'v' ? 'view' : letter === 'm' ? 'materialized view' : 'table'
  return [
    ...gone.map((one) => ({ what: `drops the ${kind(one)} ${one.name}`, table: one.name })),
    ...relations.filter(({ from, to }) => from.schema !== to.schema).map(({ from, to }) => ({ what: `moves the ${kind(from)} ${from.name} to the schema ${to.schema}`, table: from.name, renamedTo: to.name })),
    ...relations.filter(({ from, to }) => from.bare !== to.bare).map(({ from, to }) => ({ what: `renames the ${kind(from)} ${from.name} to ${to.name}`, table: from.name, renamedTo: to.name })),
    ...relations.filter(({ from, to }) => to.rowSecurity && !from.rowSecurity).map(({ to }) => ({ what: `hides the rows of ${to.name} from whoever no policy lets see them`, table: to.name })),
    ...relations.flatMap(({ from, to }) => meaningsLost(from, to).map((what) => ({ what, table: to.name }))),
    ...relations.filter(({ from, to }) => from.isPartition && !to.isPartition).map(({ from }) => ({ what: `takes the rows of ${from.name} out of its partitioned table`, table: from.name })),
    ...[...before.columns].filter(([key, { table }]) => existing.has(table) && !goneTables.has(table) && !after.columns.has(key)).map(([, column]) => ({ what: `drops the column ${column.quoted} of ${column.tableName}`, table: column.tableName, column })),
    ...pairs.filter(({ from, to }) => from.name !== to.name).map(({ from, to }) => ({ what: `renames the column ${from.quoted} of ${from.tableName} to ${to.quoted}`, table: from.tableName, column: from, renamedTo: to.quoted })),
    ...pairs.filter(({ from, to }) => from.type !== to.type && !alike(from, to)).map(({ from, to }) => ({ what: `makes the column ${from.quoted} of ${from.tableName} ${to.type}, which was ${from.type}`, table: from.tableName, column: from })),
    ...pairs.filter(({ from, to }) => to.notNull && (from.default !== null || from.identity !== '') && to.default === null && to.identity === '' && to.generated === '').map(({ to }) => ({ what: `leaves ${to.quoted} of ${to.tableName}, which must not be null, without its default`, table: to.tableName, column: to })),
    ...pairs.filter(({ from, to }) => (to.identity === 'a' && from.identity !== 'a') || (to.generated !== '' && from.generated === '')).map(({ to }) => ({ what: `makes ${to.quoted} of ${to.tableName} one that only the database sets`, table: to.tableName, column: to })),
    ...[...before.indexes.values()].filter(({ oid, table, unique, name }) => unique && existing.has(table) && !goneTables.has(table) && !after.indexes.has(oid) && !replaced.has(name)).map((index) => ({ what: `drops the unique index ${index.name}, which "on conflict" and foreign keys rest on`, table: index.tableName })),
  ]
}

/** What a statement that a running version sends comes to mean, though it is taken as before. New triggers are not told from those that a step of expanding needs. */
function meaningsLost({ meaning: from, rowSecurity }: Relation, { meaning: to, name, rowSecurity: still }: Relation): string[] {
  const missing = (before: readonly string[], now: readonly string[]) => before.some((one) => !now.includes(one))
  return [
    ...from.rules.join() === to.rules.join() ? [] : [`changes by a rule what is written to ${name}`],
    ...missing(from.triggers.filter((one) => !one.endsWith(' off')), to.triggers) ? [`takes a trigger of ${name} away`] : [],
    ...rowSecurity && still && (missing(from.policies, to.policies) || missing(to.restrictive, from.restrictive)) ? [`changes which rows of ${name} its policies let be seen and written`] : [],
    ...to.forced && !from.forced ? [`holds the owner of ${name} too to its policies`] : [],
  ]
}
