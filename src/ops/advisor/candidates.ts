import type { Asked, Key, SortKey, Term } from './conditions.ts'
import { isRelabelled, type TableFacts, type Writes } from './facts.ts'
import { sqlOf, type Tree } from './parsing.ts'

/** An index that may serve a statement; whether it does is for the planner to say (`proof.ts`). */
export interface Candidate {
  readonly facts: TableFacts
  readonly method: 'btree' | 'gin' | 'gist'
  /** In their order, as they stand in CREATE INDEX. */
  readonly keys: readonly string[]
  readonly where: string | undefined
  readonly include: readonly string[]
  /** Whether it holds an expression, of which statistics have to be gathered. */
  readonly hasExpression: boolean
  /** What CREATE INDEX needs first, such as an extension. */
  readonly needs: string | undefined
}

export interface Available {
  readonly trigrams: 'created' | 'available' | 'none'
  /** Whether texts are ordered there as where the index is to be made. If not, LIKE is given text_pattern_ops, which serves with any order. */
  readonly sameCollation: boolean
  /** How often tables are written to where the index is to be made, by name; undefined: as often as here. */
  readonly writes?: ReadonlyMap<string, Writes> | undefined
}

const perTableMax = 18

/** Candidates for one table: equality first, then the range or the order; those for an OR go together, all or none. */
export function candidatesFor(asked: Asked, facts: TableFacts, available: Available): Candidate[][] {
  const terms = asked.terms.map((term) => plain(term, facts))
  const single = singles(terms, facts, available)
  const groups = [
    ...asked.alternatives.map((arms) => arms.flatMap((arm) => singles(arm.map((term) => plain(term, facts)), facts, available).slice(0, 1))).filter((group, index) => group.length === asked.alternatives[index]?.length),
    ...[...composites(terms, asked, facts, available), ...single].map((candidate) => [candidate]),
  ]
  const partial = partials(terms, asked, facts)
  const known = new Set(facts.indexes.filter(({ predicate, valid }) => predicate === null && valid).map(({ method, definition }) => `${method} ${/ USING \w+ \((.*?)\)(?: INCLUDE| NULLS| WITH|$)/.exec(definition)?.[1]?.toLowerCase()}`))
  const seen = new Set<string>()
  return [...groups.slice(0, perTableMax), ...partial.slice(0, 4).map((candidate) => [candidate])].map((group) => deduplicated(group.filter((one) => !known.has(`${one.method} ${one.keys.join(', ')}`) || one.where !== undefined))).filter((group) => {
    const id = group.map(idOf).join('; ')
    return group.length > 0 && !seen.has(id) && Boolean(seen.add(id))
  })
}

function deduplicated(group: readonly Candidate[]): Candidate[] { return [...new Map(group.map((one) => [idOf(one), one])).values()] }

export function idOf({ facts, method, keys, where, include }: Candidate): string {
  return `${facts.root} using ${method} (${keys.join(', ')})${include.length > 0 ? ` include (${include.join(', ')})` : ''}${where === undefined ? '' : ` where ${where}`}`
}

/** A cast that is none (varchar to text) is its column; one that reads a text ('042' as 42) is an expression, and not to be turned round. */
export function plain(term: Term, facts: TableFacts): Term {
  const { tree, columns: [column], kind } = term.key
  const to = (tree['TypeCast']?.typeName?.names as Tree[] | undefined)?.at(-1)?.['String']?.sval as string
  if (kind !== 'cast' || column === undefined) return term
  if (facts.columns.get(column)?.category === 'S' && !isRelabelled(facts.columns.get(column), to)) return { ...term, key: { ...term.key, kind: 'expression' } }
  if (!isRelabelled(facts.columns.get(column), to)) return term
  return { ...term, key: { ...term.key, kind: 'column', sql: sqlOf(tree['TypeCast'].arg as Tree) } }
}

const isPointed = ({ shape }: Term) => shape === 'equal' || shape === 'null'
/** Of a cast or a rounding the remedy is another statement (`rewrites.ts`), not an index. */
const isIndexable = ({ key }: Term) => key.kind !== 'cast' && !isRounding(key)
export function isRounding({ tree }: Key): boolean { return tree['FuncCall']?.funcname?.at(-1)?.String?.sval === 'date_trunc' }

function make(facts: TableFacts, keys: readonly string[], more: Partial<Candidate> = {}): Candidate {
  return { facts, method: 'btree', keys: [...new Set(keys)].slice(0, 5), where: undefined, include: [], hasExpression: keys.some((key) => key.includes('(')), needs: undefined, ...more }
}

/** The most telling first. */
function equalities(terms: readonly Term[], facts: TableFacts): Term[] {
  const distinctOf = ({ key }: Term) => Math.max(...key.columns.map((column) => facts.columns.get(column)?.distinct ?? 1))
  return unique(terms.filter((term) => isPointed(term) && isIndexable(term) && !['is true', 'is false'].includes(term.operator))).toSorted((one, other) => distinctOf(other) - distinctOf(one))
}

function unique(terms: readonly Term[]): Term[] { return [...new Map(terms.map((term) => [term.key.sql, term])).values()] }

function singles(terms: readonly Term[], facts: TableFacts, available: Available): Candidate[] {
  const found = equalities(terms, facts).map(({ key }) => make(facts, [key.sql]))
  for (const term of unique(terms.filter(isIndexable))) {
    const column = facts.columns.get(term.key.columns[0] ?? '')
    if (term.shape === 'range') found.push(make(facts, [term.key.sql]))
    if (term.shape === 'rows') found.push(make(facts, term.keys.map(({ sql }) => sql)))
    if (term.shape === 'pattern') found.push(...patterns(term, facts, available))
    if (term.shape === 'contains') found.push(...containers(term, facts, column?.base ?? '', column?.category ?? ''))
  }
  return found
}

/** The pattern of a LIKE: what it begins with, undefined where it begins with anything or is not known. */
export function beginningOf({ operator, other }: Term): string | undefined {
  const text = (other?.['TypeCast']?.arg ?? other)?.A_Const?.sval?.sval as string | undefined
  if (text === undefined) return undefined
  if (operator === '^@') return text
  return operator === '~~' ? /^[^%_\\]+/.exec(text)?.[0] : operator === '~' ? /^\^([\w@ -]+)/.exec(text)?.[1] : undefined
}

function patterns(term: Term, facts: TableFacts, { trigrams, sameCollation }: Available): Candidate[] {
  const { key } = term
  const column = facts.columns.get(key.columns[0] ?? '')
  const isUnknown = term.other !== undefined && term.other['TypeCast']?.arg?.A_Const === undefined && term.other['A_Const'] === undefined
  const starts = beginningOf(term) !== undefined || (isUnknown && ['~~', '^@'].includes(term.operator))
  return [
    ...starts ? [make(facts, [sameCollation && column?.isBytewise ? key.sql : `${key.sql} text_pattern_ops`])] : [],
    ...trigrams === 'none' || term.operator === '^@' ? [] : [make(facts, [`${key.sql} gin_trgm_ops`], { method: 'gin', needs: trigrams === 'available' ? 'create extension if not exists pg_trgm' : undefined })],
  ]
}

function containers({ key, operator }: Term, facts: TableFacts, base: string, category: string): Candidate[] {
  if (key.kind === 'expression') return [make(facts, [key.sql], { method: 'gin' })]
  if (base === 'jsonb') return [...operator === '@>' || operator === '@@' || operator === '@?' ? [make(facts, [`${key.sql} jsonb_path_ops`], { method: 'gin' as const })] : [], make(facts, [key.sql], { method: 'gin' })]
  return [make(facts, [key.sql], { method: category === 'A' || base === 'tsvector' ? 'gin' : 'gist' })]
}

function sortSql(sort: readonly SortKey[]): string[] {
  // All one way round is read backwards as well as forwards.
  const uniform = sort.every(({ descending, nulls }) => descending === sort[0]?.descending && nulls === undefined)
  return sort.map(({ key, descending, nulls }) => uniform ? key.sql : `${key.sql}${descending ? ' desc' : ''}${nulls ? ` nulls ${nulls}` : ''}`)
}

/** Equality, then what follows: a range, an order, a comparison of rows. */
function composites(terms: readonly Term[], asked: Asked, facts: TableFacts, { sameCollation }: Available): Candidate[] {
  const own = equalities(terms.filter(({ isJoin }) => !isJoin), facts).map(({ key }) => key.sql)
  const joins = equalities(terms.filter(({ isJoin }) => isJoin), facts).map(({ key }) => key.sql)
  const tails = [
    ...asked.sorts.filter((sort) => sort.every(({ key }) => key.kind === 'column' || key.kind === 'expression')).map(sortSql), ...asked.extremes.map(({ sql }) => [sql]),
    ...terms.filter((term) => term.shape === 'rows').map(({ keys }) => keys.map(({ sql }) => sql)),
    ...terms.filter((term) => term.shape === 'range' && isIndexable(term)).map(({ key }) => [key.sql]),
    ...terms.filter((term) => term.shape === 'pattern' && isIndexable(term) && beginningOf(term) !== undefined).map(({ key }) => [sameCollation && facts.columns.get(key.columns[0] ?? '')?.isBytewise ? key.sql : `${key.sql} text_pattern_ops`]),
  ]
  const heads = [own, ...joins.flatMap((join) => [[...own, join], [join]]), ...own.length > 1 ? own.map((one) => [one]) : []]
  return [
    ...heads.flatMap((head) => tails.map((tail) => [...head, ...tail])), ...tails, ...heads.filter((head) => head.length > 0), ...own.length > 1 ? own.map((one) => [one]) : [],
  ].filter((keys) => keys.length > 0).map((keys) => make(facts, keys))
}

/** A value of few (a state, a flag, NULL) is asked for again; a number or a text of many is this once's. */
function isLasting({ shape, key, operator }: Term, facts: TableFacts): boolean {
  if (key.kind !== 'column') return false
  const distinct = facts.columns.get(key.columns[0] ?? '')?.distinct ?? Infinity
  return shape === 'null' || operator === 'is not null' || ((shape === 'equal' || shape === 'unequal') && distinct <= 50)
}

/** Only of the rows that a constant condition lets through: of use where these are few. */
function partials(terms: readonly Term[], asked: Asked, facts: TableFacts): Candidate[] {
  return unique(terms.filter((term) => term.constant !== undefined && isLasting(term, facts))).flatMap((term) => {
    const rest = terms.filter((other) => other !== term && other.key.sql !== term.key.sql)
    const keys = [...equalities(rest, facts).map(({ key }) => key.sql), ...asked.sorts[0] ? sortSql(asked.sorts[0]) : rest.filter((other) => other.shape === 'range' && isIndexable(other)).slice(0, 1).map(({ key }) => key.sql)]
    const own = isIndexable(term) || term.shape === 'other' ? term.key.sql : undefined
    return keys.length > 0 ? [make(facts, keys, { where: term.constant })] : own === undefined ? [] : [make(facts, [own], { where: term.constant })]
  })
}
