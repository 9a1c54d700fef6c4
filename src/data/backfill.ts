import type { Node, RangeVar } from 'libpg-query'
import pg from 'pg'
import { failed, isTenfoldError, reasonOf } from '../base/index.ts'
import { nodesNamed, parseStatements, type Statement } from './judge/parse.ts'
import { type Patience, patiently } from './locking.ts'
import { type MigrationFile, nameOf } from './migration-files.ts'
import { replicasCaughtUp } from './replica-lag.ts'

/**
 * A backfill is one UPDATE, DELETE or INSERT ... SELECT with `$1` in its condition, where each batch's own comes to stand: a range of the
 * primary key of the table that is changed, or read first. Each batch is a transaction, in which the end of its range is written down, so that whoever goes on after a death begins behind it.
 */
export interface Backfill {
  readonly statement: Statement
  readonly relation: RangeVar
  /** The statement with this condition in place of `$1`. */
  withCondition(condition: string): string
}

export const batchRowsUsual = 1_000

/** Errors: `migration`, for what is no such statement. */
export async function parseBackfill(file: MigrationFile): Promise<Backfill> {
  const name = nameOf(file)
  const [statement, ...more] = await parseStatements(file.sql, name)
  const relation = statement && batchedTable(statement.node)
  const places = nodesNamed<{ number?: number; location?: number }>(statement?.node, 'ParamRef')
  const [place] = places
  if (!statement || more.length > 0 || !relation || places.length !== 1 || place?.number !== 1) {
    throw failed('migration', `The backfill ${name} must be one UPDATE, DELETE or INSERT ... SELECT with $1 once in its condition, where each batch's own comes to stand: update things set a = b where a is null and $1.`)
  }
  const bytes = Buffer.from(statement.text)
  const at = (place.location ?? 0) - statement.startByte
  return { statement, relation, withCondition: (condition) => `${bytes.subarray(0, at).toString()}(${condition})${bytes.subarray(at + 2).toString()}` }
}

function batchedTable(node: Node): RangeVar | undefined {
  if ('UpdateStmt' in node) return node.UpdateStmt.relation
  if ('DeleteStmt' in node) return node.DeleteStmt.relation
  const select = 'InsertStmt' in node ? node.InsertStmt.selectStmt : undefined
  const from = select && 'SelectStmt' in select ? select.SelectStmt.fromClause?.[0] : undefined
  return nodesNamed<RangeVar>(from, 'RangeVar')[0]
}

interface KeyColumn { readonly name: string; readonly type: string }
interface Progress { readonly key: readonly string[] | null; readonly rows: number; readonly looked: number; readonly about: number }

/** Runs what is left of it, and notes the file as applied. `search_path` is the module's. Errors: `migration`. */
export async function runBackfill(client: pg.Client, file: MigrationFile, patience: Patience, noteApplied: () => Promise<void>): Promise<void> {
  const { relation, withCondition } = await parseBackfill(file)
  const name = nameOf(file)
  const table = (relation.schemaname === undefined ? [] : [relation.schemaname]).concat(relation.relname ?? '').map((part) => pg.escapeIdentifier(part)).join('.')
  const key = await keyOf(client, table, name)
  const said = pg.escapeIdentifier(relation.alias?.aliasname ?? relation.relname ?? '')
  let progress = await begin(client, file, table)
  const tell = progressTeller(name, patience)
  for (;;) {
    await replicasCaughtUp(client, name, patience)
    const { key: after } = progress
    const next = await patiently(client, name, patience, () => inTransaction(client, patience, async () => {
      const upTo = await endOfBatch(client, table, key, after, file.directives.batchRows ?? batchRowsUsual)
      if (upTo === undefined) { await noteApplied(); return undefined }
      const { rowCount } = await client.query(withCondition(rangeOf(said, key, after, upTo.key)))
      const reached = { ...progress, key: upTo.key, rows: progress.rows + (rowCount ?? 0), looked: progress.looked + upTo.looked }
      await client.query('update tenfold.unfinished set key = $3, rows = $4, updated_at = now() where module = $1 and file = $2', [file.module, file.file, reached.key, reached.rows])
      return reached
    })).catch((cause: unknown) => { throw isTenfoldError(cause) ? cause : batchFault(name, after, cause) })
    tell(next ?? progress, next === undefined)
    if (next === undefined) return
    progress = next
  }
}

function batchFault(name: string, after: readonly string[] | null, cause: unknown): Error {
  return failed('migration', `The backfill ${name} failed in the batch ${after === null ? 'that comes first' : `behind the key ${after.join(', ')}`}: ${reasonOf(cause)}. The batches before it stay done, and are not done again unless the file is changed: correct what is in its way and start again.`, { cause })
}

/** Where it is: at its beginning too when the file was changed since, for then its new statement is for all rows. */
async function begin(client: pg.Client, file: MigrationFile, table: string): Promise<Progress> {
  const { rows } = await client.query<{ key: string[] | null; rows: string | number }>(`insert into tenfold.unfinished as u (module, file, checksum) values ($1, $2, $3)
    on conflict (module, file) do update set checksum = $3, key = case when u.checksum = $3 then u.key end, rows = case when u.checksum = $3 then u.rows else 0 end returning key, rows`, [file.module, file.file, file.checksum])
  const [about] = (await client.query<{ rows: number }>('select greatest(reltuples, 0)::float8 as rows from pg_class where oid = $1::regclass', [table])).rows
  return { key: rows[0]?.key ?? null, rows: Number(rows[0]?.rows ?? 0), looked: 0, about: about?.rows ?? 0 }
}

async function keyOf(client: pg.Client, table: string, name: string): Promise<KeyColumn[]> {
  const { rows } = await client.query<KeyColumn>(`select quote_ident(a.attname) as name, format_type(a.atttypid, a.atttypmod) as type from pg_index i, unnest(i.indkey) with ordinality k(number, place)
    join pg_attribute a on a.attrelid = $1::regclass and a.attnum = k.number where i.indrelid = $1::regclass and i.indisprimary order by place`, [table])
  if (rows.length === 0) throw failed('migration', `The backfill ${name} goes by the primary key of ${table}, which has none: add one (create unique index concurrently, then alter table ... add primary key using index).`)
  return rows
}

async function endOfBatch(client: pg.Client, table: string, key: readonly KeyColumn[], after: readonly string[] | null, batchRows: number): Promise<{ key: string[]; looked: number } | undefined> {
  const columns = key.map(({ name }) => name).join(', ')
  const { rows } = await client.query<{ key: string[]; looked: number }>(`select array[${key.map(({ name }) => `${name}::text`).join(', ')}] as key, (count(*) over ())::int as looked
    from (select ${columns} from ${table} ${after === null ? '' : `where ${compared('', key, '>', after)}`} order by ${columns} limit ${batchRows}) batch
    order by ${key.map(({ name }) => `batch.${name} desc`).join(', ')} limit 1`)
  return rows[0]
}

const rangeOf = (said: string, key: readonly KeyColumn[], after: readonly string[] | null, upTo: readonly string[]) =>
  `${after === null ? '' : `${compared(`${said}.`, key, '>', after)} and `}${compared(`${said}.`, key, '<=', upTo)}`

function compared(prefix: string, key: readonly KeyColumn[], operator: string, values: readonly string[]): string {
  return `(${key.map(({ name }) => prefix + name).join(', ')}) ${operator} (${key.map(({ type }, nth) => `${pg.escapeLiteral(values[nth] ?? '')}::${type}`).join(', ')})`
}

/** A transaction that leaves nothing behind when it throws, and waits no longer for a lock than it may. */
export async function inTransaction<T>(client: pg.Client, { lockTimeoutMs }: Pick<Patience, 'lockTimeoutMs'>, work: () => Promise<T>): Promise<T> {
  await client.query(`begin; set local lock_timeout = ${lockTimeoutMs}`)
  try {
    const answer = await work()
    await client.query('commit')
    return answer
  } catch (error) {
    await client.query('rollback').catch(() => { /* the connection is gone, and the transaction with it */ })
    throw error
  }
}

const tellEveryMs = 1_000

function progressTeller(name: string, { clock, onStatus }: Patience): (progress: Progress, done: boolean) => void {
  let toldAt = -Infinity
  return ({ rows, looked, about }, done) => {
    if (!done && clock.monotonic() - toldAt < tellEveryMs) return
    toldAt = clock.monotonic()
    onStatus(`${name}  ${progressBar(done ? 1 : about > 0 ? Math.min(looked / about, 0.99) : 0)}  ${looked.toLocaleString('en')} rows looked at${about > looked && !done ? ` of about ${Math.round(about).toLocaleString('en')}` : ''}, ${rows.toLocaleString('en')} changed in all`)
  }
}

export function progressBar(share: number): string {
  const full = Math.round(share * 20)
  return `[${'#'.repeat(full)}${'-'.repeat(20 - full)}] ${String(Math.floor(share * 100)).padStart(3)} %`
}
