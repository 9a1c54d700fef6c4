/**
 * Makes truth.jsonl: what each statement of statements.jsonl really does, asked of a running Postgres by means that have nothing to do with
 * the judge. In a transaction the locks that it holds at its end are read, by another session; outside of one a third session stands in its
 * way with the weakest lock that stops it, so that the lock it waits for is seen.
 *
 *   node bench/ddl/measure.ts postgres://postgres@127.0.0.1:5432/postgres > bench/ddl/truth.jsonl
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'

export interface Asked { readonly id: string; readonly ddl: string; readonly setup?: string | null }
export interface Truth extends Asked {
  readonly locks: Readonly<Record<string, string>> | null
  readonly strongest: string | null
  readonly file_replaced: readonly string[]
  readonly table_rewrite: boolean
  readonly verify_scan: boolean
  readonly index_builds: number
  /** Of those, on tables that were there before. */
  readonly own_index_builds: number
  readonly must_run_outside_transaction: boolean
  readonly blocks_reads: boolean
  readonly blocks_writes: boolean
  readonly error: string | null
}

const folder = import.meta.dirname
export const lines = <T>(file: string): T[] => readFileSync(join(folder, file), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as T)

const modes = ['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
const tables = `relkind in ('r', 'p', 'm', 'v') and relnamespace = 'public'::regnamespace`

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => { /* told by the query that fails */ })
  await client.connect()
  return client
}

async function measure(url: string, asked: Asked): Promise<Truth> {
  const admin = await connect(url)
  await admin.query('drop database if exists ddl_truth with (force)')
  await admin.query('create database ddl_truth')
  const place = url.replace(/\/[^/]*$/, '/ddl_truth')
  const [subject, witness] = [await connect(place), await connect(place)]
  try {
    await subject.query(readFileSync(join(folder, 'schema.sql'), 'utf8'))
    if (asked.setup) await subject.query(asked.setup)
    const names = async () => new Map((await witness.query<{ oid: string; name: string; file: string | null; kind: string }>(`select oid::text, relname as name, pg_relation_filenode(oid)::text as file, relkind as kind from pg_class where ${tables}`)).rows.map((row) => [row.oid, row]))
    const before = await names()
    const said: string[] = []
    subject.on('notice', ({ message }) => { said.push(message ?? '') })
    await subject.query('set client_min_messages to debug1')
    const { locks, outside, error } = await run(subject, witness, place, asked.ddl, before)
    const after = await names()
    const kept = [...before.values()].filter(({ name, file }) => { const now = [...after.values()].find((row) => row.name === name); return now && now.file !== file }).map(({ name }) => name)
    const strongest = Object.values(locks).toSorted((one, other) => modes.indexOf(other) - modes.indexOf(one))[0] ?? null
    return {
      id: asked.id, ddl: asked.ddl, setup: asked.setup ?? null, locks, strongest, file_replaced: kept, table_rewrite: said.some((line) => line.startsWith('rewriting table')),
      verify_scan: said.some((line) => /^(verifying table|validating foreign key)/.test(line)), index_builds: said.filter((line) => line.startsWith('building index')).length,
      own_index_builds: said.filter((line) => [...before.values()].some(({ name }) => line.startsWith('building index') && line.includes(`on table "${name}"`))).length, must_run_outside_transaction: outside, blocks_reads: strongest === 'AccessExclusiveLock', blocks_writes: strongest !== null && modes.indexOf(strongest) >= 4, error,
    }
  } finally {
    await Promise.all([subject, witness].map((client) => client.end()))
    await admin.end()
  }
}

interface Run { readonly locks: Record<string, string>; readonly outside: boolean; readonly error: string | null }
type Names = ReadonlyMap<string, { readonly name: string; readonly kind: string }>

async function run(subject: pg.Client, witness: pg.Client, place: string, ddl: string, before: Names): Promise<Run> {
  const [session] = (await subject.query<{ pid: number }>('select pg_backend_pid() as pid')).rows
  const look = async () => (await witness.query<{ oid: string; mode: string; granted: boolean }>(`select relation::text as oid, mode, granted from pg_locks where pid = $1 and locktype = 'relation'`, [session?.pid])).rows.filter(({ oid }) => before.has(oid))
  await subject.query('begin')
  try {
    await subject.query(ddl)
    const locks = strongestOf(await look(), before)
    await subject.query('commit')
    return { locks, outside: false, error: null }
  } catch (error) {
    await subject.query('rollback')
    if ((error as pg.DatabaseError).code !== '25001') return { locks: {}, outside: false, error: (error as Error).message }
  }
  return { locks: strongestOf(await waitedFor(subject, place, ddl, before, look), before), outside: true, error: null }
}

/** Share Update Exclusive stops all that is as strong or stronger, and lets everything else pass. */
async function waitedFor(subject: pg.Client, place: string, ddl: string, before: Names, look: () => Promise<{ oid: string; mode: string; granted: boolean }[]>) {
  const barrier = await connect(place)
  await barrier.query('begin')
  for (const { name, kind } of before.values()) if (kind === 'r' || kind === 'p') await barrier.query(`lock table ${name} in share update exclusive mode`)
  const going = subject.query(ddl)
  let seen = await look()
  while (!seen.some(({ granted }) => !granted)) seen = await look()
  await barrier.query('commit')
  await barrier.end()
  await going
  return seen
}

function strongestOf(rows: readonly { oid: string; mode: string }[], before: Names): Record<string, string> {
  const locks: Record<string, string> = {}
  for (const { oid, mode } of rows) {
    const name = before.get(oid)?.name ?? oid
    if (modes.indexOf(mode) > modes.indexOf(locks[name] ?? '')) locks[name] = mode
  }
  return locks
}

if (import.meta.main) for (const asked of lines<Asked>('statements.jsonl')) process.stdout.write(`${JSON.stringify(await measure(process.argv[2] ?? '', asked))}\n`)
