import type pg from 'pg'
import { failed } from '../../base/errors.ts'
import type { Candidate } from './candidates.ts'
import { whyNot } from './plan.ts'
import { type Session, sessionAs, type Standing } from './session.ts'

/**
 * Where indexes are tried: in a database that is thrown away, where they are built and statements are run; or, where the extension hypopg
 * is there, in the live one, as indexes that exist for the planner of this session alone. A live table is never given an index.
 */
export interface Workshop extends Session {
  /** Whether statements may be run here, whatever they do. */
  readonly canRun: boolean
  /** Answers what the index is called in plans; why there can be none, where Postgres refuses it. */
  build(candidate: Candidate): Promise<Built | { readonly refused: string }>
  remove(built: Built): Promise<void>
}

export interface Built { /** In plans: of a partitioned table, those of its partitions. */ readonly names: readonly string[]; readonly sizeBytes: number; readonly id: string }

/** Longer than this builds no index that somebody waits for, in milliseconds. */
const buildMs = 120_000

let counter = 0

/** Everything in that database is ours, and nobody else's. */
export async function throwawayWorkshop(client: pg.Client, standing: Standing = {}): Promise<Workshop> {
  const session = await sessionAs(client, standing)
  return {
    ...session, canRun: true,
    build: (candidate) => session.outside(async () => {
      const name = `tenfold_tried_${++counter}`
      try {
        await client.query(`set statement_timeout = ${buildMs}`)
        if (candidate.needs) await client.query(candidate.needs)
        await client.query(definition(candidate, name, ''))
        // Of an expression the planner knows nothing before it is looked at.
        if (candidate.hasExpression) await client.query(`analyze ${candidate.facts.root}`)
        const { rows } = await client.query<{ id: string; name: string; size: string }>(`
          select i.oid::regclass::text as id, c.relname as name, pg_relation_size(c.oid)::text as size from pg_class i left join lateral pg_partition_tree(i.oid) p on true join pg_class c on c.oid = coalesce(p.relid, i.oid) where i.relname = $1 and i.relkind in ('i', 'I')`, [name])
        return { names: rows.map((row) => row.name), sizeBytes: rows.reduce((sum, { size }) => sum + Number(size), 0), id: rows[0]?.id ?? name }
      } catch (error) {
        return { refused: whyNot(error) }
      }
    }),
    async remove({ id }) { await session.outside(() => client.query(`drop index if exists ${id}`)) },
  }
}

/** Undefined where hypopg is not to be had. The transaction that it opens ends, and takes all of it back, with `close`. */
export async function hypotheticalWorkshop(client: pg.Client): Promise<{ as(standing?: Standing): Promise<Workshop>; close(): Promise<void> } | undefined> {
  const { rows } = await client.query<{ installed: string | null }>(`select installed_version as installed from pg_available_extensions where name = 'hypopg'`)
  if (rows.length === 0) return undefined
  await client.query('begin')
  try {
    // Taken back at the end: the database is left as it was.
    if (rows[0]?.installed === null) await client.query('create extension hypopg')
  } catch {
    await client.query('rollback')
    return undefined
  }
  return {
    async as(standing = {}) {
      const session = await sessionAs(client, standing)
      return {
        ...session, canRun: false,
        build: (candidate) => session.outside(() => imagined(client, candidate)),
        async remove({ id }) { await session.outside(() => client.query('select hypopg_drop_index($1)', [id])) },
      }
    },
    async close() { await client.query('select hypopg_reset()').catch(() => { /* the transaction has failed */ }); await client.query('rollback') },
  }
}

async function imagined(client: pg.Client, candidate: Candidate): Promise<Built | { readonly refused: string }> {
  await client.query('savepoint tried')
  try {
    const { rows: [made] } = await client.query<{ id: string; name: string; size: string }>('select indexrelid::text as id, indexname as name, hypopg_relation_size(indexrelid)::text as size from hypopg_create_index($1)', [definition(candidate, '', '')])
    if (!made) throw failed('internal', 'hypopg made no index.')
    return { names: [made.name], sizeBytes: Number(made.size), id: made.id }
  } catch (error) {
    await client.query('rollback to savepoint tried')
    return { refused: whyNot(error) }
  }
}

/** The exact statement. `how`: `concurrently` where it is for a live table. */
export function definition({ facts, method, keys, where, include }: Candidate, name: string, how: '' | 'concurrently'): string {
  return ['create index', how, name, 'on', facts.root, method === 'btree' ? '' : `using ${method}`, `(${keys.join(', ')})`, include.length > 0 ? `include (${include.join(', ')})` : '', where === undefined ? '' : `where ${where}`].filter((part) => part !== '').join(' ')
}

/** `orders_user_id_created_at_idx`: at most 63 bytes, as Postgres would cut it. */
export function nameOf({ facts, keys, where, method }: Candidate): string {
  const words = [facts.root.replaceAll('"', '').split('.').at(-1) ?? facts.table, ...keys.map((key) => key.replace(/ (text_pattern_ops|gin_trgm_ops|jsonb_path_ops)\b/, '').replaceAll(/::[\w ]+/g, '')), where === undefined ? '' : 'some', method === 'btree' ? '' : method]
  return `${words.join('_').toLowerCase().replaceAll(/\W+/g, '_').replaceAll(/_+/g, '_').replace(/^_|_$/g, '').slice(0, 59).replace(/_$/, '')}_idx`
}
