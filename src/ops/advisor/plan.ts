import type pg from 'pg'
import { reasonOf } from '../../base/errors.ts'

/** One step of a plan, as EXPLAIN (FORMAT JSON) tells it. */
export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Schema'?: string
  readonly 'Alias'?: string
  readonly 'Index Name'?: string
  readonly 'Plans'?: readonly PlanNode[]
  readonly 'Total Cost': number
  readonly 'Startup Cost': number
  readonly 'Plan Rows': number
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Actual Total Time'?: number
  readonly [more: string]: unknown
}

export interface Explained {
  readonly plan: PlanNode
  readonly cost: number
  /** Of planning and of running, in milliseconds; undefined where it was not run. */
  readonly planningMs: number | undefined
  readonly executionMs: number | undefined
  readonly triggers: readonly { readonly name: string; readonly timeMs: number; readonly calls: number }[]
  readonly jitMs: number
}

/** A statement, with what stands for its `$1`, `$2` ... as texts; without `values` it is planned as for any. */
export interface Query { readonly text: string; readonly parameters: number; readonly values?: readonly (string | null)[] | undefined }

let counter = 0

/** The plan of a statement; with `run` it is run, and measured. Needs no transaction, and ends none. Errors: the driver's. */
export async function explain(client: pg.Client, query: Query, options: { run?: boolean } = {}): Promise<Explained> {
  const more = `verbose, format json${options.run ? ', analyze, buffers, timing' : ''}`
  if (query.parameters === 0) return read(await client.query(`explain (${more}) ${query.text}`))
  const version = await versionOf(client)
  if (!query.values && version >= 16) return read(await client.query(`explain (${more}, generic_plan) ${query.text}`))
  const name = `tenfold_explained_${++counter}`
  const values = query.values ?? Array.from({ length: query.parameters }, () => null)
  await client.query(`prepare ${name} as ${query.text}`)
  try {
    await client.query(`set plan_cache_mode = ${query.values ? 'force_custom_plan' : 'force_generic_plan'}`)
    return read(await client.query(`explain (${more}) execute ${name}(${values.map((value) => value === null ? 'null' : client.escapeLiteral(value)).join(', ')})`))
  } finally {
    await client.query(`deallocate ${name}; reset plan_cache_mode`).catch(() => { /* the transaction has failed: its own error is told */ })
  }
}

const versions = new WeakMap<pg.Client, number>()
/** The major version of the server. */
export async function versionOf(client: pg.Client): Promise<number> {
  let version = versions.get(client)
  if (version === undefined) {
    const { rows } = await client.query<{ version: number }>(`select current_setting('server_version_num')::int / 10000 as version`)
    versions.set(client, version = rows[0]?.version ?? 0)
  }
  return version
}

interface Answer { 'Plan': PlanNode; 'Planning Time'?: number; 'Execution Time'?: number; 'Triggers'?: { 'Trigger Name': string; 'Constraint Name'?: string; 'Time'?: number; 'Calls': number }[]; 'JIT'?: { Timing?: { Total?: number } } }

function read({ rows }: pg.QueryResult<{ 'QUERY PLAN': Answer[] }>): Explained {
  const [answer] = (rows[0]?.['QUERY PLAN'] ?? []) as [Answer]
  return {
    plan: answer.Plan, cost: answer.Plan['Total Cost'], planningMs: answer['Planning Time'], executionMs: answer['Execution Time'],
    triggers: (answer.Triggers ?? []).map((trigger) => ({ name: trigger['Constraint Name'] ?? trigger['Trigger Name'], timeMs: trigger.Time ?? 0, calls: trigger.Calls })),
    jitMs: answer.JIT?.Timing?.Total ?? 0,
  }
}

/** A plan and all that is below it, from the top down. */
export function nodesOf(plan: PlanNode): PlanNode[] { return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)] }

export function indexesIn(plan: PlanNode): string[] { return [...new Set(nodesOf(plan).flatMap((node) => node['Index Name'] ?? []))].toSorted() }

/** What is told of a plan to a program, in the words of EXPLAIN. */
export function summary({ plan, cost, executionMs }: Explained) {
  const nodes = nodesOf(plan)
  return {
    nodes: nodes.map((node) => node['Node Type']), indexesUsed: indexesIn(plan), seqScans: nodes.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => node['Relation Name'] ?? ''),
    sort: nodes.some((node) => node['Node Type'].endsWith('Sort')), cost: round(cost), rowsPlan: plan['Plan Rows'], rowsActual: plan['Actual Rows'], executionMs: executionMs === undefined ? undefined : round(executionMs),
  }
}

export function round(value: number): number { return Math.round(value * 1000) / 1000 }

/** Why a statement could not be explained, in a sentence's part. */
export function whyNot(error: unknown): string { return reasonOf(error).split('\n')[0] ?? '' }
