import type { Query } from './plan.ts'
import { factsOf, type TableFacts } from './facts.ts'
import { counted } from './facts.ts'
import { ms } from './advise.ts'
import { sampled } from './parameters.ts'
import { explain, type Explained, nodesOf, type PlanNode, round, summary } from './plan.ts'
import { type Finding, findings } from './words.ts'
import { reasonOf } from '../../base/errors.ts'
import type { Session } from './session.ts'

export interface ExplainedStatement {
  readonly query: string
  /** What stood for `$1`, `$2` ...; undefined where it was planned for any, and not run. */
  readonly values: Query['values']
  readonly wasRun: boolean
  /** Why it was not run. */
  readonly notRun: string | undefined
  readonly summary: ReturnType<typeof summary>
  readonly findings: readonly Finding[]
  /** The plan, a step a line. */
  readonly lines: readonly string[]
  readonly plan: PlanNode
}

/** Longer than this runs no statement that is only explained, in milliseconds. */
const runMs = 10_000

/**
 * How a statement is worked on, and what is wrong with that. A SELECT is run, with sampled values, in a transaction that cannot write and is
 * taken back; anything else is only planned. Errors: the driver's, where it cannot be planned.
 */
export async function explainStatement(session: Session, text: string, options: { run: boolean }): Promise<ExplainedStatement> {
  const { client } = session
  const query = await sampled(session, text)
  const known = query.parameters === 0 || query.values !== undefined
  let notRun = !options.run ? 'it was asked for the plan alone' : !/^\s*(select|with|values|table)\b/i.test(text) ? 'it writes, and only what reads is run here' : known ? undefined : 'no values are known for all of its parameters'
  let explained: Explained | undefined
  if (notRun === undefined) {
    await client.query(`begin read only; set local statement_timeout = ${runMs}`)
    try {
      explained = await explain(client, query, { run: true })
    } catch (error) {
      notRun = /statement timeout/.test(reasonOf(error)) ? `it takes longer than ${runMs / 1000} s` : reasonOf(error)
    } finally {
      await client.query('rollback')
    }
  }
  explained ??= await explain(client, query)
  const tables = await tablesOf(session, explained.plan)
  const { rows: [settings] } = await client.query<{ workMem: string }>(`select current_setting('work_mem') as "workMem"`)
  return {
    query: text, values: query.parameters === 0 ? undefined : query.values, wasRun: explained.executionMs !== undefined, notRun, summary: summary(explained), plan: explained.plan, lines: linesOf(explained.plan),
    findings: findings(explained, tables, { workMem: settings?.workMem ?? '' }),
  }
}

async function tablesOf(session: Session, plan: PlanNode): Promise<Map<string, TableFacts>> {
  const found = new Map<string, TableFacts>()
  for (const { 'Relation Name': table, Schema: schema } of nodesOf(plan)) {
    const facts = table === undefined || schema === undefined || found.has(`${schema}.${table}`) ? undefined : await session.outside(() => factsOf(session.client, schema, table))
    if (facts) found.set(`${schema}.${table}`, facts)
  }
  return found
}

const conditions = ['Index Cond', 'Recheck Cond', 'Hash Cond', 'Merge Cond', 'Join Filter', 'Filter', 'Sort Key', 'Group Key'] as const

function linesOf(node: PlanNode, depth = 0): string[] {
  const where = [node['Index Name'] === undefined ? '' : `by ${node['Index Name']}`, node['Relation Name'] === undefined ? '' : `on ${node['Relation Name']}`].filter((part) => part !== '').join(' ')
  const loops = Number(node['Actual Loops'] ?? 1)
  const actual = node['Actual Rows'] === undefined ? '' : `, came ${counted(node['Actual Rows'])}${loops === 1 ? '' : `, ${counted(loops)} times`}, ${ms(Number(node['Actual Total Time'] ?? 0) * loops)}`
  const said = conditions.flatMap((name) => node[name] === undefined ? [] : [`${'  '.repeat(depth + 2)}${name.toLowerCase()}: ${String(node[name])}`])
  return [`${'  '.repeat(depth)}${node['Node Type']} ${where}`.trimEnd() + `  (cost ${round(node['Total Cost'])}, rows expected ${counted(node['Plan Rows'])}${actual})`, ...said, ...(node.Plans ?? []).flatMap((below) => linesOf(below, depth + 1))]
}
