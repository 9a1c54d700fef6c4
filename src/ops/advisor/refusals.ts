import { beginningOf, isRounding } from './candidates.ts'
import type { Term } from './conditions.ts'
import { bytes, counted, type IndexFacts, type TableFacts } from './facts.ts'
import { indexesIn, nodesOf, type PlanNode } from './plan.ts'
import type { Proof } from './proof.ts'

/** Why indexes that are there do not serve, and why no other would: in words. */

export interface Unserving { readonly index: string; readonly why: string }

/** Of each index that holds a column which the statement names, and which it does not use. */
export function unserving({ before, asked, tables }: Pick<Proof, 'before' | 'asked' | 'tables'>): Unserving[] {
  const inUse = indexesIn(before.plan)
  return asked.flatMap(({ alias, terms }) => {
    const facts = tables.get(alias)
    return (facts?.indexes ?? []).filter(({ name }) => !inUse.includes(name)).flatMap((index) => {
      const concerned = terms.filter(({ key }) => key.columns.some((column) => index.keys.some((held) => mentions(held, column))))
      const why = facts && concerned[0] && whyNot(index, concerned as [Term, ...Term[]], facts, before.plan)
      return why ? [{ index: index.name, why }] : []
    })
  }).filter((one, index, all) => all.findIndex(({ index: name }) => name === one.index) === index)
}

function mentions(held: string, column: string): boolean { return new RegExp(`(^|[^\\w"])"?${column.replaceAll(/\W/g, '\\$&')}"?($|[^\\w"])`).test(held) }

function whyNot(index: IndexFacts, terms: [Term, ...Term[]], facts: TableFacts, plan: PlanNode): string | undefined {
  const [term] = terms
  const [leading = ''] = index.keys
  if (!index.valid) return 'it is not valid: its build failed; drop it and build it again'
  if (index.predicate !== null) return `it holds only rows where ${index.predicate}, and the statement does not ask for these alone`
  if (index.method === 'hash' && term.shape !== 'equal') return 'a hash index serves equality only, no ranges'
  if (index.method === 'gin' && term.shape !== 'contains' && term.shape !== 'pattern') return `a gin index serves containment (@>, ?, &&), not ${term.key.sql} ${term.operator}`
  if (index.method === 'btree' && term.shape === 'contains') return `a btree index serves comparisons, not ${term.operator}`
  if (term.shape === 'pattern' && index.method === 'btree') {
    if (beginningOf(term) === undefined) return `${term.operator.includes('*') ? 'case is ignored, and a btree is ordered by case' : 'the pattern may begin with anything'}: no btree index serves it`
    return index.definition.includes('pattern_ops') ? tooMany(facts, plan) : 'it is ordered by the rules of a language, not byte by byte: LIKE needs text_pattern_ops'
  }
  if (term.key.kind === 'cast' || isRounding(term.key) || (term.key.kind === 'expression' && !index.keys.some((held) => held.includes('(')))) return `it holds ${index.keys.join(', ')}, and the statement asks for ${term.key.sql}`
  if (term.shape === 'unequal') return 'what is unequal is nearly every row'
  if (!terms.some(({ key }) => key.columns.some((column) => mentions(leading, column)))) return `it begins with ${leading}, which the statement does not name`
  return tooMany(facts, plan)
}

function tooMany(facts: TableFacts, plan: PlanNode): string | undefined {
  const scan = nodesOf(plan).find((node) => node['Relation Name'] === facts.table)
  const rows = scan?.['Plan Rows'] ?? 0
  if (scan && /Index/.test(scan['Node Type'])) return `${scan['Index Name'] ?? 'another index'} finds the rows with less work`
  return facts.rows > 0 && rows / facts.rows > 0.05 ? `the statement wants ${Math.min(100, Math.round(rows / facts.rows * 100))} % of the rows, and reading the table in order is quicker than so many single rows` : undefined
}

/** Why there is no index to propose. */
export function whyNone({ before, asked, tables, tried }: Proof, trigrams: string): string {
  const scans = nodesOf(before.plan).filter((node) => node['Node Type'] === 'Seq Scan' || node['Node Type'] === 'Index Scan')
  const used = indexesIn(before.plan)
  if (before.cost < 50) return used.length > 0 ? `It is served by ${used.join(' and ')} already.` : 'It costs next to nothing as it is.'
  const patterns = asked.flatMap(({ terms }) => terms).filter(({ shape }) => shape === 'pattern')
  if (patterns.length > 0 && trigrams === 'none' && patterns.some((term) => beginningOf(term) === undefined)) return 'The pattern may begin with anything: no btree index helps, and the extension pg_trgm, whose index would, is not available on this server.'
  const [large] = scans.map((node) => ({ node, facts: [...tables.values()].find(({ table }) => table === node['Relation Name']) })).filter(({ facts }) => facts).toSorted((one, other) => (other.facts?.pages ?? 0) - (one.facts?.pages ?? 0))
  const rows = large?.node['Plan Rows'] ?? 0
  const workers = (large?.node['Parallel Aware'] ? 1 + Number(nodesOf(before.plan).find((node) => node['Workers Planned'])?.['Workers Planned'] ?? 0) : 1)
  if (large?.facts && rows * workers / Math.max(1, large.facts.rows) > 0.05) return `It wants ${counted(Math.min(rows * workers, large.facts.rows))} of the ${counted(large.facts.rows)} rows of ${large.facts.name} (${Math.round(Math.min(1, rows * workers / large.facts.rows) * 100)} %): reading the table in order (${bytes(large.facts.pages * 8192)}) is the quickest way. Ask for fewer rows, or keep the answer (a projection, a cache).`
  if (used.length > 0 && tried.length === 0) return `It is served by ${used.join(' and ')}; what it costs lies elsewhere.`
  const [refused] = tried.flatMap(({ index, refused: why }) => why === undefined ? [] : [`${index} (${why})`])
  const could = refused === undefined ? '' : refused.includes('IMMUTABLE') ? ` There can be no index on ${refused.replace(/ \(functions in .*$/, '').replace(/^.*?using btree /, '')}: its value depends on the session's time zone or language; ask for what the column itself holds.` : ` Not to be tried here: ${refused}.`
  const count = tried.filter((one) => one.refused === undefined).length
  if (count > 0) return `No index helps: ${count} ${count === 1 ? 'was' : 'were'} tried, and the planner ${tried.some(({ isUsed }) => isUsed) ? 'saves less than half with any' : 'uses none'}.${could}`
  if (could) return `No index was found to help.${could}`
  // A constant in an expression (meta ->> 'key') is a part of it: without, there is nothing to index.
  if (nodesOf(before.plan).some((node) => /\$\d/.test(String(node['Filter'])))) return `No index helps as far as this can be told without the statement's constants, which are not kept where it was counted: ask again with them, tenfold db advise --query SQL --schema SCHEMA.sql.`
  return 'No index helps: nothing in it narrows down or orders the rows of a table in a way that one could serve.'
}
