import type pg from 'pg'
import { type Asked, askedOf, type Key, type Term } from './conditions.ts'
import { factsOf, type TableFacts } from './facts.ts'
import { findAll, loadParser, parsed, type Tree } from './parsing.ts'
import { explain, type Query } from './plan.ts'
import type { Session } from './session.ts'

/**
 * What stands for `$1`, `$2` ... where a statement is only known as it was prepared: the values of one row that is there (of the commonest
 * value, which is the dearest), so that conditions on several columns fit each other; of a lone range the twentieth of the rows at its end.
 * A parameter of which nothing is known leaves the statement without values: then it is planned for any, and not run.
 */
export async function sampled(session: Session, text: string): Promise<Query> {
  const { client } = session
  await loadParser()
  const stmts = parsed(text)
  const parameters = Math.max(0, ...findAll(stmts, 'ParamRef').map(({ number }) => Number(number)))
  if (parameters === 0) return { text, parameters }
  const values = new Map<number, string>()
  const select = stmts[0]?.stmt?.['SelectStmt'] as { limitCount?: Tree; limitOffset?: Tree } | undefined
  for (const [tree, value] of [[select?.limitCount, '20'], [select?.limitOffset, '0']] as const) for (const number of paramsIn(tree)) values.set(number, value)
  for (const asked of await plainly(client, { text, parameters })) {
    const facts = await session.outside(() => factsOf(client, asked.schema, asked.table))
    if (facts) await fill(values, client, asked, facts)
  }
  const all = Array.from({ length: parameters }, (_, index) => values.get(index + 1))
  return { text, parameters, values: all.every((value) => value !== undefined) ? all : undefined }
}

async function plainly(client: pg.Client, query: Query): Promise<Asked[]> {
  await client.query('set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off')
  try {
    return askedOf((await explain(client, query)).plan)
  } finally {
    await client.query('reset enable_indexscan; reset enable_indexonlyscan; reset enable_bitmapscan').catch(() => { /* the transaction has failed: its own error is told */ })
  }
}

function paramsIn(tree: unknown): number[] { return findAll(tree, 'ParamRef').map(({ number }) => Number(number)) }

async function fill(values: Map<number, string>, client: pg.Client, asked: Asked, facts: TableFacts): Promise<void> {
  const terms = [...asked.terms, ...asked.alternatives.flat(2)].filter(({ other, isJoin }) => !isJoin && paramsIn(other).length > 0)
  const keys = terms.flatMap(({ shape, key, keys: more }) => shape === 'rows' ? more : shape === 'equal' || shape === 'range' || shape === 'unequal' ? [key] : [])
  if (keys.length === 0) return
  const row = await oneRow(client, facts, keys)
  for (const term of terms) {
    const numbers = paramsIn(term.other)
    if (term.shape === 'rows') numbers.forEach((number, index) => set(values, number, row.get(term.keys[index]?.sql ?? '')))
    if (term.shape === 'range') for (const number of numbers) set(values, number, endOf(term, terms, facts) ?? row.get(term.key.sql))
    if (term.shape === 'equal' || term.shape === 'unequal') {
      const value = row.get(term.key.sql)
      // `= any($1)` takes an array, and `= any(array[$1, $2])` values.
      const isArray = value !== undefined && term.isAny && findAll(term.other, 'A_ArrayExpr').length === 0
      for (const number of numbers) set(values, number, isArray ? `{"${value.replaceAll(/["\\]/g, '\\$&')}"}` : value)
    }
  }
}

function set(values: Map<number, string>, number: number, value: string | undefined): void {
  if (value !== undefined && !values.has(number)) values.set(number, value)
}

/** With a bound on either side: the middle twentieth. */
function endOf({ key, operator }: Term, terms: readonly Term[], facts: TableFacts): string | undefined {
  const bounds = key.kind === 'column' ? facts.columns.get(key.columns[0] ?? '')?.bounds ?? [] : []
  const isBetween = new Set(terms.filter((term) => term.shape === 'range' && term.key.sql === key.sql).map((term) => term.operator[0])).size === 2
  const share = operator.startsWith('>') ? isBetween ? 0.475 : 0.95 : isBetween ? 0.525 : 0.05
  return bounds[Math.floor((bounds.length - 1) * share)]
}

async function oneRow(client: pg.Client, facts: TableFacts, keys: readonly Key[]): Promise<Map<string, string>> {
  const names = [...new Set(keys.map(({ sql }) => sql))]
  const common = keys.find(({ kind, columns: [column] }) => kind === 'column' && facts.columns.get(column ?? '')?.commonest !== undefined)
  const where = common && `${common.sql} = ${client.escapeLiteral(facts.columns.get(common.columns[0] ?? '')?.commonest ?? '')}`
  const select = (condition: string, skip: number) => client.query<(string | null)[]>({ rowMode: 'array', text: `select ${names.map((name) => `(${name})::text`).join(', ')} from ${facts.name} ${condition} limit 1 offset ${skip}` })
  // Somewhere in the midst; row security may show fewer rows than there are.
  let { rows } = where ? await select(`where ${where}`, 0) : await select('', Math.min(500, Math.floor(facts.rows / 2)))
  if (rows.length === 0) rows = (await select('', 0)).rows
  return new Map(names.flatMap((name, index) => { const value = rows[0]?.[index]; return value === null || value === undefined ? [] : [[name, value]] }))
}
