import { type Available, isRounding } from './candidates.ts'
import type { Term } from './conditions.ts'
import { isRelabelled, type TableFacts } from './facts.ts'
import { findAll, sqlOf, type Tree } from './parsing.ts'
import { explain, type Query } from './plan.ts'
import { prove, type Proof } from './proof.ts'
import type { Workshop } from './workshop.ts'

/** A condition that hides its column from every plain index, and how to say the same so that one serves. */
export interface Rewrite {
  readonly table: string
  readonly from: string
  readonly to: string
  readonly why: string
  /** Of that condition alone on its table, rewritten; and what it costs as it stands. Undefined where its values are not known. */
  readonly proof: Proof | undefined
  readonly costBefore: number | undefined
}

/** Errors: none; what Postgres refuses is no remedy. */
export async function rewritesOf(workshop: Workshop, { values }: Query, { asked, tables }: Pick<Proof, 'asked' | 'tables'>, available: Available): Promise<Rewrite[]> {
  const found: Rewrite[] = []
  for (const { alias, terms } of asked) {
    const facts = tables.get(alias)
    if (!facts || facts.rows < 1_000) continue
    for (const term of terms) {
      const said = sayOtherwise(term, facts)
      if (!said || found.some(({ from }) => from === said.from)) continue
      const proof = await proven(workshop, facts, said, available, values)
      if (proof === 'refused') continue
      found.push({ table: facts.name, ...said, ...proof })
    }
  }
  return found
}

interface Said { readonly from: string; readonly to: string; readonly why: string }

function sayOtherwise(term: Term, facts: TableFacts): Said | undefined {
  const { key, operator, other } = term
  const [column] = key.columns
  const columnFacts = facts.columns.get(column ?? '')
  if (!other || !columnFacts || term.isJoin || !['equal', 'range'].includes(term.shape)) return undefined
  const columnSql = sqlOf({ ColumnRef: findAll(key.tree, 'ColumnRef')[0] as Tree })
  const value = sqlOf(other)
  const from = `${key.sql} ${operator} ${value}`
  if (isRounding(key) && operator === '=') {
    const unit = findAll(key.tree, 'A_Const')[0]?.sval?.sval as string
    const start = `${bare(other)}::${columnFacts.type}`
    return { from, to: `${columnSql} >= ${start} and ${columnSql} < ${start} + interval '1 ${unit}'`, why: `an index on ${columnSql} holds times, not ${unit}s: ask for the span of time` }
  }
  if (key.kind !== 'cast') return undefined
  const to = (key.tree['TypeCast'].typeName.names as Tree[]).at(-1)?.['String']?.sval as string
  if (isRelabelled(columnFacts, to)) return undefined
  if (to === 'date' && operator === '=' && columnFacts.category === 'D') {
    const start = `${bare(other)}::date`
    return { from, to: `${columnSql} >= ${start} and ${columnSql} < ${start} + 1`, why: `an index on ${columnSql} holds times, not days: ask for the span of time` }
  }
  // Order as text is another order than that of what it is the text of.
  if (operator !== '=') return undefined
  return { from, to: `${columnSql} = ${bare(other)}::${columnFacts.type}`, why: `${columnSql} is ${columnFacts.type}, and is turned into ${to} row by row, so that no index on it serves: compare it with a value of its own type` }
}

/** A value without the type that it was given. */
function bare(tree: Tree): string {
  const inner = tree['TypeCast']?.arg as Tree | undefined
  const sql = sqlOf(inner ?? tree)
  return inner?.['A_Const'] || inner?.['ParamRef'] || tree['A_Const'] || tree['ParamRef'] ? sql : `(${sql})`
}

function literal({ client }: Workshop, value: string | null | undefined): string { return value === null || value === undefined ? 'null' : client.escapeLiteral(value) }

async function proven(workshop: Workshop, facts: TableFacts, said: Said, available: Available, values: Query['values']): Promise<{ proof: Proof | undefined; costBefore: number | undefined } | 'refused'> {
  if (/\$\d/.test(said.from) && !values) return { proof: undefined, costBefore: undefined }
  const query = (condition: string): Query => ({ parameters: 0, text: `select * from ${facts.name} where ${condition.replaceAll(/\$(\d+)/g, (_, number: string) => literal(workshop, values?.[Number(number) - 1]))}` })
  try {
    const proof = await prove(workshop, query(said.to), available)
    const { cost } = await explain(workshop.client, query(said.from))
    return proof.after.cost * 2 < cost ? { proof, costBefore: cost } : 'refused'
  } catch { return 'refused' }
}
