import type pg from 'pg'
import type { Statement } from './parse.ts'

/** Settings that keep a migration from being in others' way, or rows from being wrong: a file that sets them takes the protection away. */
const protecting = ['lock_timeout', 'statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'deadlock_timeout', 'session_replication_role', 'row_security', 'ignore_system_indexes', 'track_counts'] as const

export type Settings = Readonly<Record<string, string>>

/** Unlike the default, so that a RESET is seen too. */
const lockTimeoutMs = 59_999
/** On a scratch copy no statement has rows to work through. */
const trialTimeoutMs = 60_000

/** What each trial begins with, whatever the statement before it has set: our own limits, and all that the server has to say of tables. */
export const trialSettings = `set lock_timeout = ${lockTimeoutMs}; set statement_timeout = ${trialTimeoutMs}; set client_min_messages = debug1`

/**
 * A table is read from end to end then where nothing else will do: not since it is small, and not by way of a whole index. So a scan
 * that Postgres counts as sequential is one that takes as long as the table is large. Such plans seem dear, and would be compiled.
 */
export const trialPlans = `set local enable_indexscan = off; set local enable_indexonlyscan = off; set local random_page_cost = 1000; set local jit = off; ${
  // Before Postgres 18 what is off is only dear, and one that is off is as dear as another: a sequential scan has to cost less than that, and more than a few rows by an index.
  "select set_config('enable_seqscan', case when old then 'on' else 'off' end, true), set_config('seq_page_cost', case when old then '1000000' else '1' end, true) from (select current_setting('server_version_num')::int < 180000) version (old)"}`

export async function readSettings(client: pg.Client): Promise<Settings> {
  const { rows } = await client.query<{ name: string; setting: string }>('select name, setting from pg_settings where name = any ($1)', [protecting])
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
}

/** Migrations run without a limit for their statements, which only the trial has: to say so changes nothing. */
export function changedSettings(before: Settings, after: Settings): string[] {
  return Object.keys(before).filter((name) => after[name] !== before[name] && !(name === 'statement_timeout' && after[name] === '0'))
}

/**
 * What code may set and set back, unseen from outside: the settings that a DO block names, or a function that the statement calls by its
 * name; among them the one by which it could hide from the trial.
 */
export async function settingsInCode(client: pg.Client, { kind, text }: Statement): Promise<string[]> {
  if (!running.has(kind)) return []
  const { rows } = await client.query<{ name: string; body: string }>(`select proname as name, concat_ws(' ', prosrc, proconfig::text) as body from pg_proc p join pg_namespace n on n.oid = pronamespace where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`)
  const bodies = rows.filter(({ name, body }) => namedIn(body).length > 0 && text.includes(name)).map(({ body }) => body)
  return [...kind === 'DoStmt' ? [text] : [], ...bodies].flatMap(namedIn)
}

const namedIn = (body: string) => [...protecting, 'client_min_messages'].filter((name) => new RegExp(`\\b${name}\\b`, 'i').test(body))

/** What runs code. */
export const running = new Set(['SelectStmt', 'DoStmt', 'CallStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'ExecuteStmt', 'ExplainStmt', 'CreateTableAsStmt'])
