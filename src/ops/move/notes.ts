import pg from 'pg'
import { failed, lsnText, parseLsn } from '../../base/index.ts'
import type { Table } from './tables.ts'

/** How far a move is. What must outlive this process stands in the database that it fills. */
export interface Notes {
  /** By the table's path: it has all that was committed before that place in the log. What is not here has not been copied. */
  readonly from: ReadonlyMap<string, bigint>
  /** The tables, and their rows, that were found the same on both sides, and have not changed since; of this process only. */
  readonly settled: Map<string, number>
  /** In the transaction that copied it. */
  copied(table: string, lsn: bigint): Promise<void>
  /** In the transaction, of that session, that did all that was committed before that place. */
  passed(session: pg.Client, lsn: bigint): Promise<void>
  /** What was copied counts no more as a beginning: the changes since are not to be had. */
  reset(): Promise<void>
  /** The move is over, and nothing is left of it. */
  remove(): Promise<void>
}

const table = 'public.tenfold_move'

/** One move at a time fills a database; its session has this lock. */
const lock = 7_310_445

/** Takes an empty database, or one that a move has begun to fill. What migrations have put there themselves goes: it comes with the rest. Errors: `topology`. */
export async function openNotes(target: pg.Client, tables: readonly Table[], settled = new Map<string, number>()): Promise<Notes> {
  const { rows: [locked] } = await target.query<{ ours: boolean }>('select pg_try_advisory_lock($1) as ours', [lock])
  if (!locked?.ours) throw failed('topology', 'Another move fills that database, or one that was killed is just ending there: run it again when it has ended.')
  const { rows: [found] } = await target.query<{ begun: boolean }>(`select to_regclass('${table}') is not null as begun`)
  if (!found?.begun) await begin(target, tables)
  const from = new Map((await target.query<{ name: string; lsn: string }>(`select name, lsn::text as lsn from ${table}`)).rows.map(({ name, lsn }) => [name, parseLsn(lsn)]))
  return {
    from, settled,
    async copied(name, lsn) {
      await target.query(`insert into ${table} values ($1, $2::pg_lsn) on conflict (name) do update set lsn = excluded.lsn`, [name, lsnText(lsn)])
      from.set(name, lsn)
    },
    async passed(session, lsn) {
      await session.query(`update ${table} set lsn = $1::pg_lsn where lsn < $1::pg_lsn`, [lsnText(lsn)])
      for (const [name, before] of from) if (before < lsn) from.set(name, lsn)
    },
    async reset() { await target.query(`delete from ${table}`); from.clear(); settled.clear() },
    async remove() { await target.query(`drop table ${table}`) },
  }
}

async function begin(target: pg.Client, tables: readonly Table[]): Promise<void> {
  const { rows: [found] } = await target.query<{ used: boolean }>(`select exists (select from tenfold.records) or exists (select from tenfold.runs) or exists (select from tenfold.outbox) as used`)
  if (found?.used) throw failed('topology', 'The database to move to is in use already: name an empty one, or drop it first if nothing in it counts.')
  await target.query(`begin; truncate ${tables.map(({ name }) => name).join(', ')}; create table ${table} (name text primary key, lsn pg_lsn not null); commit`)
}
