import { type Available, plain } from './candidates.ts'
import type { Term } from './conditions.ts'
import { type ColumnFacts, isRelabelled, type TableFacts } from './facts.ts'
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
    for (const said of together(terms, facts)) {
      const proof = await proven(workshop, facts, said, available, values)
      if (proof === 'refused') continue
      found.push({ table: facts.name, ...said, ...proof })
    }
  }
  return found
}

/** What is said of one expression twice, from and to, is one condition. */
function together(terms: readonly Term[], facts: TableFacts): Said[] {
  const said = new Map<string, Said>()
  for (const term of terms) {
    const one = sayOtherwise(term, facts)
    const before = said.get(term.key.sql)
    if (one && before?.from !== one.from) said.set(term.key.sql, before ? { from: `${before.from} and ${one.from}`, to: `${before.to} and ${one.to}`, why: one.why } : one)
  }
  return [...said.values()]
}

interface Said { readonly from: string; readonly to: string; readonly why: string }

function sayOtherwise(asked: Term, facts: TableFacts): Said | undefined {
  const term = plain(asked, facts)
  const { key, operator, other } = term
  const [column] = key.columns
  const columnFacts = facts.columns.get(column ?? '')
  if (!other || !columnFacts || term.isJoin || !['equal', 'range'].includes(term.shape)) return undefined
  const columnSql = sqlOf({ ColumnRef: findAll(key.tree, 'ColumnRef')[0] as Tree })
  const value = sqlOf(other)
  const from = `${key.sql} ${operator} ${value}`
  const span = columnFacts.category === 'D' ? spanOf(term, columnFacts.type) : undefined
  if (span) return { from, to: span.map(([sign, bound]) => `${columnSql} ${sign} ${bound}`).join(' and '), why: `an index on ${columnSql} holds moments, not what is made of them: ask for the span of time` }
  const to = (key.tree['TypeCast']?.typeName?.names as Tree[] | undefined)?.at(-1)?.['String']?.sval as string
  // Order as text is another order than that of what it is the text of.
  if (key.kind !== 'cast' || isRelabelled(columnFacts, to) || operator !== '=' || !isSame(other, columnFacts, to)) return undefined
  return { from, to: `${columnSql} = ${bare(other)}::${columnFacts.type}`, why: `${columnSql} is ${columnFacts.type}, and is turned into ${to} row by row, so that no index on it serves: compare it with a value of its own type` }
}

/** Whether the value, in the column's own type, is equal to the same rows: '042' is the text of no number, and 4.5 no whole one. */
function isSame(other: Tree, { category, type }: ColumnFacts, to: string): boolean {
  const constant = (other['TypeCast']?.arg ?? other)?.A_Const as { sval?: { sval: string }; ival?: { ival?: number }; fval?: { fval: string } } | undefined
  const value = constant?.sval?.sval ?? constant?.fval?.fval ?? (constant?.ival ? String(constant.ival.ival ?? 0) : undefined)
  if (value === undefined || !/^(smallint|integer|bigint)$/.test(type)) return category === 'N' || category === 'U'
  return to === 'text' || to === 'varchar' ? /^-?(0|[1-9]\d*)$/.test(value) : /^-?\d+(\.0+)?$/.test(value)
}

const units: Readonly<Record<string, string>> = { 'YYYY-MM-DD': 'day', 'YYYYMMDD': 'day', 'YYYY-MM': 'month', 'YYYYMM': 'month', 'YYYY': 'year' }

/** What a day, a month, a year of a moment says of the moment itself: its bounds. */
function spanOf({ key, operator, other, shape }: Term, type: string): (readonly [sign: string, bound: string])[] | undefined {
  const call = key.tree['FuncCall'] as { funcname: Tree[]; args: Tree[] } | undefined
  const name = call?.funcname.at(-1)?.['String']?.sval as string | undefined
  const word = (tree: Tree | undefined) => (tree?.['TypeCast']?.arg ?? tree)?.A_Const?.sval?.sval as string | undefined
  const value = bare(other as Tree)
  const between = (start: string, end: string) => [['>=', start], ['<', end]] as const
  if (operator === '=' && name === 'date_trunc' && word(call?.args[0])) return [...between(`${value}::${type}`, `${value}::${type} + interval '1 ${word(call?.args[0])}'`)]
  if (operator === '=' && name === 'extract' && word(call?.args[0]) === 'year') return [...between(`make_date(${value}::int, 1, 1)`, `make_date(${value}::int + 1, 1, 1)`)]
  const unit = name === 'to_char' ? units[word(call?.args[1]) ?? ''] : undefined
  if (operator === '=' && unit !== undefined) return [...between(`to_date(${value}, '${word(call?.args[1])}')`, `to_date(${value}, '${word(call?.args[1])}') + interval '1 ${unit}'`)]
  if (key.kind !== 'cast' || (key.tree['TypeCast'].typeName.names as Tree[]).at(-1)?.['String']?.sval !== 'date') return undefined
  const day = `${value}::date`
  if (shape === 'equal' && operator === '=') return [...between(day, `${day} + 1`)]
  return operator === '>' ? [['>=', `${day} + 1`]] : operator === '<=' ? [['<', `${day} + 1`]] : [[operator, day]]
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
