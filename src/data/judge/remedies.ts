import type { Bulk } from './bulk.ts'
import type { Changes, Column, Constraint, Index, Loss } from './catalog.ts'
import { nodesNamed, type Statement } from './parse.ts'
import type { Effects } from './trial.ts'
import type { Ruling } from './verdict.ts'

/**
 * The safe way to what an unsafe statement is for, as SQL for its own tables and columns, in three steps: expand (what is new beside
 * what is old), migrate (rows), contract (what nobody uses any more). Empty: there is nothing to do otherwise.
 */
export function remedyFor(statement: Statement, effects: Effects, ruling: Ruling, bulk: Bulk | undefined): string {
  const { changes } = effects
  switch (ruling.rule) {
    case 'rewrite': return rewriteRemedy(changes, effects.rewrites)
    case 'scan': return scanRemedy(statement, changes, [...effects.scans, ...effects.reads])
    case 'index-build': return indexRemedy(statement, changes)
    case 'refresh': return `refresh materialized view concurrently ${effects.rewrites.join(', ')};\nIt needs a unique index on plain columns of it (create unique index concurrently), and stands in a file of its own.`
    case 'bulk-write': return bulk ? bulkRemedy(statement, bulk) : ''
    case 'not-null': return changes.addedColumns.map((column) => `${steps(expandColumn(column), `update ${column.tableName} set ${column.quoted} = ... where ${column.quoted} is null and $1`, notNullSteps(column))}\nOr give it a constant default: that writes no row.`).join('\n')
    case 'lock-table': return 'Take it out: each statement takes the lock that it needs. Where rows must hold still, lock those (select ... for update).'
    case 'setting': return 'Take it out: each statement waits for its locks a moment at a time and again, and has no limit for its own work.'
    case 'held-lock': return 'Let what waits be a file of its own, which holds no lock meanwhile.'
    case 'contract': return contractRemedy(changes.lost)
    case 'invalid': return correctIt
    default: return isPlainDropIndex(statement) ? 'drop index concurrently, in a file of its own, would not lock the table at all.' : ''
  }
}

export const correctIt = 'Correct the statement.'

const isPlainDropIndex = ({ node }: Statement) => 'DropStmt' in node && node.DropStmt.removeType === 'OBJECT_INDEX' && !node.DropStmt.concurrent

const steps = (expand: string, migrate: string, contract: string) => `1. expand, in a file of its own:\n${expand}\n2. migrate, in a file that ends in .backfill.sql:\n${migrate}\n3. contract:\n${contract}`

const batchable = new Set(['UpdateStmt', 'DeleteStmt', 'InsertStmt'])

function bulkRemedy({ kind, text }: Statement, { table, does }: Bulk): string {
  if (does === 'lock') return `Lock the rows that it is about, by a key: select ... from ${table} where ... = ... for update. To change many, change them in batches, in a file that ends in .backfill.sql.`
  const batches = `(-- tenfold: batch ROWS above it says how many rows a batch has; ${table} needs a primary key.)`
  if (batchable.has(kind)) return `In batches, in a file that ends in .backfill.sql and holds this one statement, with $1 where each batch's condition goes:\n${batched(text)}\n${batches}`
  return `In batches, in a file that ends in .backfill.sql and holds one UPDATE, DELETE or INSERT ... SELECT, with $1 where each batch's condition goes:\nupdate ${table} set ... where ... and $1\n${batches}\nWhere it is a row or a few, say it in a statement that holds the key of ${table} to a value.`
}

/** With the condition of a batch in the WHERE clause. */
function batched(text: string): string {
  const [, query = text, conflict = ''] = /^([^]*?)(\s+on\s+conflict\b[^]*)$/i.exec(text) ?? []
  return `${query} ${/\bwhere\b/i.test(query) ? 'and' : 'where'} $1${conflict}`
}

const ownFile = '-- in a file of its own:'

/** A check that holds for what comes, proven for what is there without blocking anybody; then NOT NULL needs no scan. */
function notNullSteps({ tableName, quoted, name }: Column): string {
  const check = identifier(`${name}_not_null`)
  return `alter table ${tableName} add constraint ${check} check (${quoted} is not null) not valid;\n${ownFile}\nalter table ${tableName} validate constraint ${check};\n${ownFile}\nalter table ${tableName} alter column ${quoted} set not null;
alter table ${tableName} drop constraint ${check};`
}

const expandColumn = ({ tableName, quoted, type, default: value }: Column) => `alter table ${tableName} add column ${quoted} ${type};${value === null ? '' : `\nalter table ${tableName} alter column ${quoted} set default ${value};`}`

function rewriteRemedy({ addedColumns, retyped }: Changes, tables: readonly string[]): string {
  const changed = [...addedColumns.map(addedRemedy), ...retyped.map(retypedRemedy)]
  if (changed.length > 0) return changed.join('\n')
  return `Copy ${tables.join(', ')} without holding its lock: pg_repack does, or a new table beside it that is filled by batches and takes over its name. Where nobody uses it meanwhile, begin the file with\n-- tenfold: allow rewrite: why that is so`
}

function addedRemedy(column: Column): string {
  const { tableName, quoted, name, type, identity, generated, notNull } = column
  if (generated !== '') {
    return `A stored value is computed for every row at once. Let it be virtual where that will do (Postgres 18: generated always as (...) virtual), or keep a plain column:\n${steps(`alter table ${tableName} add column ${quoted} ${type}; -- and a trigger that sets it on insert and update`, `update ${tableName} set ${quoted} = ... where ${quoted} is null and $1`, notNull ? notNullSteps(column) : 'Nothing: the column stays.')}`
  }
  if (identity !== '') {
    return steps(`alter table ${tableName} add column ${quoted} ${type};\ncreate sequence ${sequence(column)} owned by ${tableName}.${quoted};\nalter table ${tableName} alter column ${quoted} set default nextval('${sequence(column)}');`,
      `update ${tableName} set ${quoted} = nextval('${sequence(column)}') where ${quoted} is null and $1`, notNullSteps(column))
  }
  return steps(expandColumn(column), `update ${tableName} set ${quoted} = ${column.default ?? '...'} where ${quoted} is null and $1`, notNull ? notNullSteps(column) : `Nothing: ${name} stays, and every row has it.`)
}

const sequence = ({ tableName, name }: Column) => `${tableName.includes('.') ? `${tableName.slice(0, tableName.lastIndexOf('.'))}.` : ''}${identifier(`${tableName.split('.').at(-1)?.replaceAll('"', '')}_${name}_seq`)}`

function retypedRemedy({ from, to }: { from: Column; to: Column }): string {
  const [table, old, fresh] = [from.tableName, from.quoted, identifier(`${from.name}_new`)]
  const keeper = identifier(`keep_${from.name}_new`)
  return steps(
    `alter table ${table} add column ${fresh} ${to.type};\ncreate function ${keeper}() returns trigger language plpgsql as $body$ begin new.${fresh} := new.${old}::${to.type}; return new; end $body$;\ncreate trigger ${keeper} before insert or update on ${table} for each row execute function ${keeper}();`,
    `update ${table} set ${fresh} = ${old}::${to.type} where ${fresh} is distinct from ${old}::${to.type} and $1`,
    `-- once the application reads and writes ${fresh}, in a file that begins -- tenfold: contract: why nobody uses ${from.name} any more\ndrop trigger ${keeper} on ${table};\ndrop function ${keeper}();\nalter table ${table} drop column ${old};`)
}

function scanRemedy(statement: Statement, changes: Changes, tables: readonly string[]): string {
  const { addedConstraints, addedIndexes, madeNotNull, attached, narrowed, beside, addedColumns, retyped } = changes
  const found = [
    ...addedConstraints.filter(({ kind }) => kind === 'c' || kind === 'f').map((one) => validateLater(one, addedColumns.filter(({ table }) => table === one.table))),
    ...madeNotNull.map((column) => `1. expand, and 3. contract; the rows that lack it are filled between them (.backfill.sql):\n${notNullSteps(column)}`),
    ...attached.filter(({ name }) => tables.includes(name)).map(({ name, bounds }) => proofOfBounds(statement, name, wrapped(bounds ?? '...'))),
    ...narrowed.filter(({ name }) => tables.includes(name)).map(({ name }) => `${proofOfBounds(statement, name, `(not ${wrapped(beside?.bounds ?? '...')})`)}\nRows of ${name} that belong to the new partition leave it first; until that is there, more of them are refused: choose bounds that nothing is written to yet.`),
    ...domainRemedy(statement),
    ...addedColumns.filter(({ notNull }) => notNull).map((column) => steps(expandColumn(column), `update ${column.tableName} set ${column.quoted} = ... where ${column.quoted} is null and $1`, notNullSteps(column))),
    ...retyped.map(retypedRemedy),
    ...attached.length === 0 && addedIndexes.length > 0 ? [`And, since it builds an index under that lock too:\n${indexRemedy(statement, changes)}`] : [],
  ]
  return found.length > 0 ? found.join('\n') : `Do what reads ${tables.join(', ')} in a step of its own that holds no such lock: add constraints NOT VALID, and validate them in a file of their own.`
}

function proofOfBounds({ text }: Statement, table: string, check: string): string {
  return `Let ${table} prove beforehand what its bounds will ask, so that nothing is read under the lock:\nalter table ${table} add constraint attaching check ${check} not valid;\n${ownFile}\nalter table ${table} validate constraint attaching;\n${ownFile}\n${text};\nalter table ${table} drop constraint attaching;`
}

/** No form of VALIDATE lets writers go on: a domain's rows are proven by the tables that have its columns. */
function domainRemedy({ node, text }: Statement): string[] {
  if (!('AlterDomainStmt' in node)) return []
  const { subtype, typeName = [] } = node.AlterDomainStmt
  const domain = nodesNamed<{ sval: string }>(typeName, 'String').map(({ sval }) => identifier(sval)).join('.')
  const proof = 'Every table that has a column of it proves its rows by a check of its own (add constraint ... check (...) not valid; and, in a file of its own, validate constraint).'
  if (subtype === 'C') return [`1. expand: from now on it holds for what is written\n${text} not valid;\n2. migrate: correct the rows that break it (.backfill.sql). ${proof}\n3. contract: nothing: the domain's stays not valid, and holds.`]
  if (subtype === 'O') return [`1. expand: from now on it holds for what is written\nalter domain ${domain} add constraint ${identifier(`${domain.split('.').at(-1)?.replaceAll('"', '')}_not_null`)} check (value is not null) not valid;\n2. migrate: fill the rows that lack it (.backfill.sql). ${proof}\n3. contract: nothing.`]
  return [`Leave it out: what is not valid holds for all that is written. ${proof}`]
}

const wrapped = (text: string) => text.startsWith('(') ? text : `(${text})`

const validateLater = ({ tableName, name, definition }: Constraint, added: readonly Column[]) => `1. expand: from now on it holds for what is written\n${added.map((column) => `${expandColumn(column)}\n`).join('')}alter table ${tableName} add constraint ${name} ${definition.replace(/ NOT VALID$/, '')} not valid;\n2. migrate: correct the rows that break it (.backfill.sql), then, in a file of its own, which blocks neither readers nor writers:\nalter table ${tableName} validate constraint ${name};\n3. contract: nothing.`

function indexRemedy(statement: Statement, { addedIndexes, addedConstraints, addedColumns }: Changes): string {
  if (statement.kind === 'ReindexStmt') return `${statement.text.replace(/^(reindex(?:\s*\([^)]*\))?\s+\w+)\s+/i, '$1 concurrently ')};\nin a file of its own.`
  const constraints = addedConstraints.filter(({ kind }) => kind === 'p' || kind === 'u')
  if (addedConstraints.some(({ kind }) => kind === 'x')) return 'An exclusion constraint has no form that does not block: add it to a new table that is filled by batches and takes over, or where nobody uses the table meanwhile, begin the file with\n-- tenfold: allow index-build: why that is so'
  if (addedIndexes.some(({ definition }) => definition.includes(' ON ONLY '))) return partitionedIndex(addedIndexes)
  return addedIndexes.map((index) => {
    const constraint = constraints.find(({ table, name }) => table === index.table && name === index.name.split('.').at(-1))
    return constraint ? constraintUsing(constraint, index, addedColumns.filter(({ table }) => table === index.table)) : `${concurrently(index)};\nin a file of its own: it stands outside a transaction.`
  }).join('\n')
}

/** On a partitioned table none is built concurrently: the parent's is made without its partitions' and becomes valid with the last of them. */
function partitionedIndex(indexes: readonly Index[]): string {
  const [parents, children] = [true, false].map((isParent) => indexes.filter(({ definition }) => definition.includes(' ON ONLY ') === isParent)) as [Index[], Index[]]
  const local = (name: string) => name.split('.').at(-1) ?? name
  return `1. expand: builds nothing\n${parents.map(({ definition }) => `${definition};`).join('\n')}\n2. migrate, each in a file of its own:\n${children.map((index) => `${concurrently(index)};`).join('\n')}\n3. contract: the whole takes its parts over\n${parents.slice(0, 1).flatMap((parent) => children.map(({ name }) => `alter index ${local(parent.name)} attach partition ${local(name)};`)).join('\n')}`
}

const concurrently = ({ definition }: Index) => definition.replace(/^CREATE (UNIQUE )?INDEX /, (_, unique: string | undefined) => `create ${unique ? 'unique ' : ''}index concurrently `)

function constraintUsing({ tableName, name, kind }: Constraint, index: Index, added: readonly Column[]): string {
  const first = kind === 'p' ? `0. Where a column of it may still be null: check (... is not null) not valid, validate, set not null, each in a file of its own.\n` : ''
  return `${first}1. expand${added.length > 0 ? `:\n${added.map(expandColumn).join('\n')}\n-- and,` : ','} in a file of its own:\n${concurrently(index)};\n2. migrate: nothing\n3. contract: the constraint takes the index over, which is a moment's work\nalter table ${tableName} add constraint ${name} ${kind === 'p' ? 'primary key' : 'unique'} using index ${name};`
}

function contractRemedy(lost: readonly Loss[]): string {
  const [first] = lost
  const last = '3. contract: once no older version runs, in a file of its own that begins\n-- tenfold: contract: why nothing uses it any more'
  if (first?.renamedTo !== undefined && first.column) {
    const { column: { tableName, quoted, type, name }, renamedTo } = first
    return `1. expand: alter table ${tableName} add column ${renamedTo} ${type}; and let the application write both ${name} and ${renamedTo}\n2. migrate, in a file that ends in .backfill.sql: update ${tableName} set ${renamedTo} = ${quoted} where ${renamedTo} is distinct from ${quoted} and $1\n${last}\nalter table ${tableName} drop column ${quoted};`
  }
  if (first?.renamedTo !== undefined) return `1. expand: create view ${first.renamedTo} as select * from ${first.table}; and let the application use it by its new name\n2. migrate: nothing\n${last}\ndrop view ${first.renamedTo}; and then the statement itself`
  const column = first?.column
  const relax = column?.notNull && first?.what.startsWith('drops the column') ? `; alter table ${column.tableName} alter column ${column.quoted} drop not null; so that rows without it are taken` : ''
  return `1. expand: release a version of the application that does without it${relax}\n2. migrate: nothing, or move what is still of use (.backfill.sql)\n${last}`
}

function identifier(name: string): string { return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"` }
