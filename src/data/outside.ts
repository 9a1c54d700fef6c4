import type { RangeVar } from 'libpg-query'
import pg from 'pg'
import { failed, reasonOf } from '../base/index.ts'
import { inTransaction } from './backfill.ts'
import { isOutsideOnly } from './faults.ts'
import { isConcurrent } from './judge/outside.ts'
import { nodesNamed, parseStatements, type Statement } from './judge/parse.ts'
import { type Patience, patiently } from './locking.ts'
import { type MigrationFile, nameOf } from './migration-files.ts'

/**
 * A file with a statement that stands outside a transaction is run statement by statement. That one is about to begin is written down
 * first, and that it is done behind it: whoever goes on after a death looks at what the last one left, and finishes or repeats it.
 */
export async function runOutside(client: pg.Client, file: MigrationFile, patience: Patience, noteApplied: () => Promise<void>): Promise<void> {
  const name = nameOf(file)
  const statements = await parseStatements(file.sql, name)
  const unnamed = statements.find(({ node }) => 'IndexStmt' in node && node.IndexStmt.concurrent === true && node.IndexStmt.idxname === undefined)
  if (unnamed) throw failed('migration', `The migration ${name} makes an index without a name in line ${unnamed.line}: name it, so that what a crash leaves of it is found again.`)
  const from = await begin(client, file)
  for (const [nth, statement] of statements.entries()) {
    if (nth < from.statements) continue
    if (isConcurrent(statement) || !await runInside(client, file, statement, nth, patience)) await runBare(client, file, { statement, nth, resumed: from.begun && nth === from.statements }, patience)
  }
  await inTransaction(client, patience, noteApplied)
}

async function begin(client: pg.Client, file: MigrationFile): Promise<{ statements: number; begun: boolean }> {
  const { rows } = await client.query<{ statements: number; begun: boolean; checksum: string }>(`insert into tenfold.unfinished as u (module, file, checksum) values ($1, $2, $3)
    on conflict (module, file) do update set checksum = case when u.statements = 0 then $3 else u.checksum end returning statements, begun, checksum`, [file.module, file.file, file.checksum])
  const [state] = rows as [{ statements: number; begun: boolean; checksum: string }]
  if (state.checksum !== file.checksum) throw failed('migration', `The migration ${nameOf(file)} was changed after ${state.statements} of its statements were done: restore it, and write what is new in a file of its own.`)
  return state
}

const note = (client: pg.Client, { module, file }: MigrationFile, statements: number, begun: boolean) =>
  client.query('update tenfold.unfinished set statements = $3, begun = $4, updated_at = now() where module = $1 and file = $2', [module, file, statements, begun])

/** What can commit with the note that it is done. False: it can't, and nothing was done. */
async function runInside(client: pg.Client, file: MigrationFile, statement: Statement, nth: number, patience: Patience): Promise<boolean> {
  try {
    await patiently(client, nameOf(file), patience, () => inTransaction(client, patience, async () => {
      await client.query(statement.text)
      await note(client, file, nth + 1, false)
    }))
    return true
  } catch (error) {
    if (isOutsideOnly(error)) return false
    throw statementFault(file, statement, nth, error)
  }
}

/** Waiting, a concurrent statement is in nobody's way, and one that gave up would have to begin again: it waits as long as it takes. */
async function runBare(client: pg.Client, file: MigrationFile, { statement, nth, resumed }: { statement: Statement; nth: number; resumed: boolean }, patience: Patience): Promise<void> {
  try {
    if (resumed && await isDone(client, statement)) { await note(client, file, nth + 1, false); return }
    await sweepBefore(client, statement, resumed)
    await note(client, file, nth, true)
    await client.query(`set lock_timeout = ${isConcurrent(statement) ? 0 : patience.lockTimeoutMs}`)
    await patiently(client, nameOf(file), patience, () => client.query(statement.text))
    await note(client, file, nth + 1, false)
  } catch (error) {
    await sweepBefore(client, statement, true).catch(() => { /* the next start does it */ })
    throw statementFault(file, statement, nth, error)
  } finally {
    await client.query('set lock_timeout = 0').catch(() => { /* the connection is gone */ })
  }
}

function statementFault(file: MigrationFile, { line }: Statement, nth: number, cause: unknown): Error {
  return failed('migration', `The migration ${nameOf(file)} failed in line ${line}: ${reasonOf(cause)}. ${nth === 0 ? 'Nothing of it was kept' : `The ${nth === 1 ? 'statement' : `${nth} statements`} before it stay done, and are not done again`}: correct what is in its way and start again.`, { cause })
}

/** What was begun and may have ended before it could be noted. */
async function isDone(client: pg.Client, { node }: Statement): Promise<boolean> {
  if ('IndexStmt' in node) return (await indexState(client, node.IndexStmt)) === 'valid'
  if ('DropStmt' in node) return (await client.query('select from unnest($1::text[]) name where to_regclass(name) is not null', [droppedNames(node.DropStmt)])).rowCount === 0
  if ('AlterTableStmt' in node) return await isDetached(client, node.AlterTableStmt.relation, nodesNamed<{ name?: RangeVar }>(node, 'PartitionCmd')[0]?.name)
  return false
}

/** A partition that was being detached belongs to nobody until that is brought to its end. */
async function isDetached(client: pg.Client, parent: RangeVar | undefined, partition: RangeVar | undefined): Promise<boolean> {
  if (!parent || !partition) return false
  const { rows: [state] } = await client.query<{ pending: boolean }>('select inhdetachpending as pending from pg_inherits where inhrelid = to_regclass($1)', [qualified(partition.schemaname, partition.relname)])
  if (state?.pending) await client.query(`alter table ${qualified(parent.schemaname, parent.relname)} detach partition ${qualified(partition.schemaname, partition.relname)} finalize`)
  return state === undefined || state.pending
}

/** An index of that name that a dead CREATE INDEX CONCURRENTLY left is no use to anybody, and costs every write. */
async function sweepBefore(client: pg.Client, { node }: Statement, resumed: boolean): Promise<void> {
  if ('IndexStmt' in node && (resumed || node.IndexStmt.if_not_exists === true) && await indexState(client, node.IndexStmt) === 'invalid') await client.query(`drop index concurrently ${indexName(node.IndexStmt)}`)
  if ('ReindexStmt' in node && resumed) {
    const { rows } = await client.query<{ name: string }>(`select indexrelid::regclass::text as name from pg_index join pg_class on pg_class.oid = indexrelid where not indisvalid and relname ~ '_cc(new|old)\\d*$' and relnamespace = current_schema()::regnamespace`)
    for (const { name } of rows) await client.query(`drop index concurrently ${name}`)
  }
}

type Index = { idxname?: string; relation?: { schemaname?: string } }

const indexName = ({ idxname, relation }: Index) => qualified(relation?.schemaname, idxname)

const qualified = (schema: string | undefined, name = '') => (schema === undefined ? [] : [schema]).concat(name).map((part) => pg.escapeIdentifier(part)).join('.')

async function indexState(client: pg.Client, index: Index): Promise<'valid' | 'invalid' | 'absent'> {
  const { rows } = await client.query<{ valid: boolean }>('select indisvalid as valid from pg_index where indexrelid = to_regclass($1)', [indexName(index)])
  return rows[0] === undefined ? 'absent' : rows[0].valid ? 'valid' : 'invalid'
}

function droppedNames({ objects = [] }: { objects?: unknown[] }): string[] {
  return objects.map((object) => ((object as { List?: { items?: { String?: { sval?: string } }[] } }).List?.items ?? []).map(({ String: part }) => pg.escapeIdentifier(part?.sval ?? '')).join('.'))
}
