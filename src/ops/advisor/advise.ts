import type pg from 'pg'
import { isTenfoldError } from '../../base/errors.ts'
import { databaseFault } from '../../data/index.ts'
import type { Available, Candidate } from './candidates.ts'
import { bytes, counted, type Writes } from './facts.ts'
import { sampled } from './parameters.ts'
import { type Explained, round, summary, whyNot } from './plan.ts'
import { type Proof, prove } from './proof.ts'
import { unserving, type Unserving, whyNone } from './refusals.ts'
import { type Rewrite, rewritesOf } from './rewrites.ts'
import { definition, nameOf, type Workshop } from './workshop.ts'

/** What is known of a statement beside its text. */
export interface Statement { readonly text: string; readonly name?: string | undefined; readonly calls?: number; readonly totalMs?: number }

export interface StatementAdvice extends Omit<Statement, 'text'> {
  readonly query: string
  /** `index`: make what stands in `proposals`; `rewrite`: say it as `rewrites` does; `none`: no index helps, or none is missing; `unread`: it could not be planned. */
  readonly verdict: 'index' | 'rewrite' | 'none' | 'unread'
  readonly says: string
  readonly before?: ReturnType<typeof summary>
  readonly after?: ReturnType<typeof summary>
  readonly proposals: readonly Proposal[]
  readonly rewrites: readonly { readonly table: string; readonly from: string; readonly to: string; readonly why: string; readonly costBefore?: number; readonly costAfter?: number; readonly proposals: readonly Proposal[] }[]
  /** Indexes that are there and do not serve, with why. */
  readonly notServing: readonly Unserving[]
  /** What was tried, each alone: whether the planner used it, and what the statement then cost. */
  readonly tried: Proof['tried']
}

export interface Proposal {
  readonly sql: string
  /** To be run before it. */
  readonly first?: string
  /** To be run after it. */
  readonly afterwards?: string
  readonly table: string
  readonly costBefore: number
  readonly costAfter: number
  readonly costRatio: number
  readonly timeBeforeMs?: number
  readonly timeAfterMs?: number
  readonly timeRatio?: number
  readonly sizeBytes: number
  readonly provenBy: 'built on a copy' | 'hypopg'
  readonly saves: string
  readonly writes: string
}

export async function availableOn(client: pg.Client, about: Pick<Available, 'sameCollation' | 'writes'>): Promise<Available> {
  const { rows } = await client.query<{ installed: string | null }>(`select installed_version as installed from pg_available_extensions where name = 'pg_trgm'`)
  return { ...about, trigrams: rows.length === 0 ? 'none' : rows[0]?.installed === null ? 'available' : 'created' }
}

/** What would make this statement cheaper, each with its proof. Errors: a lost connection; a statement that cannot be planned is told, not thrown. */
export async function advise(workshop: Workshop, statement: Statement, available: Available): Promise<StatementAdvice> {
  const { text, ...about } = statement
  let proof: Proof
  let rewrites: Rewrite[]
  if (!workshop.canRun) await workshop.client.query('savepoint advised')
  try {
    const query = await sampled(workshop, text)
    proof = await prove(workshop, query, available)
    rewrites = proof.before.cost >= 50 ? await rewritesOf(workshop, query, proof, available) : []
  } catch (error) {
    if (isLost(error)) throw error
    if (!workshop.canRun) await workshop.client.query('rollback to savepoint advised')
    return { ...about, query: text, verdict: 'unread', says: `It cannot be planned: ${whyNot(error)}.`, proposals: [], rewrites: [], notServing: [], tried: [] }
  }
  const { before, after, chosen, tried } = proof
  const proposals = proposalsOf(proof, workshop, available)
  const told = rewrites.map(({ table, from, to, why, proof: own, costBefore }) => ({
    table, from, to, why, ...costBefore === undefined || !own ? {} : { costBefore: round(costBefore), costAfter: round(own.after.cost) }, proposals: own ? proposalsOf(own, workshop, available) : [],
  }))
  const verdict = chosen.length > 0 ? 'index' : told.length > 0 ? 'rewrite' : 'none'
  const notServing = unserving(proof)
  return {
    ...about, query: text, verdict, before: summary(before), ...chosen.length > 0 ? { after: summary(after) } : {}, proposals, rewrites: told, notServing, tried,
    says: verdict === 'index' ? proposals.map(({ sql, saves }) => `${sql}: ${saves}`).join(' ') : verdict === 'rewrite' ? told.map(({ from, to, why, proposals: more }) => `Instead of ${from} write ${to}: ${why}${more.length > 0 ? ` (and create the index that then serves: ${more.map(({ sql }) => sql).join('; ')})` : ''}.`).join(' ') : whyNone(proof, available.trigrams),
  }
}

function isLost(error: unknown): boolean { return isTenfoldError(databaseFault(error, ''), 'database-unavailable') }

function proposalsOf({ before, after, chosen }: Proof, workshop: Workshop, { writes }: Available): Proposal[] {
  const ratio = before.cost / Math.max(after.cost, 0.01)
  const times = timesOf(before, after)
  return chosen.map(({ candidate, sizeBytes }) => ({
    sql: definition(candidate, nameOf(candidate), candidate.facts.isPartitioned ? '' : 'concurrently'),
    ...candidate.needs === undefined ? {} : { first: candidate.needs }, ...candidate.hasExpression ? { afterwards: `analyze ${candidate.facts.root}` } : {},
    table: candidate.facts.root, costBefore: round(before.cost), costAfter: round(after.cost), costRatio: ratioOf(ratio), ...times, sizeBytes, provenBy: workshop.canRun ? 'built on a copy' : 'hypopg',
    saves: `${chosen.length > 1 ? 'with the others, ' : ''}the planner uses it, and its cost falls from ${counted(before.cost)} to ${counted(Math.max(1, after.cost))} (${factor(ratio)})${times.timeRatio === undefined ? '' : `, its time from ${ms(times.timeBeforeMs ?? 0)} to ${ms(times.timeAfterMs ?? 0)} (${factor(times.timeRatio)})`}.`,
    writes: writesOf(candidate, writes?.get(candidate.facts.root) ?? candidate.facts.writes, sizeBytes),
  }))
}

function timesOf(before: Explained, after: Explained): { timeBeforeMs?: number; timeAfterMs?: number; timeRatio?: number } {
  if (before.executionMs === undefined || after.executionMs === undefined) return {}
  return { timeBeforeMs: round(before.executionMs), timeAfterMs: round(after.executionMs), timeRatio: ratioOf(before.executionMs / Math.max(after.executionMs, 0.001)) }
}

function ratioOf(value: number): number { return value >= 10 ? Math.round(value) : Math.round(value * 10) / 10 }
function factor(value: number): string { return value >= 1 ? `${counted(ratioOf(value))} times less` : 'no less' }
/** A time, for people. */
export function ms(value: number): string { return value >= 10_000 ? `${(value / 1000).toFixed(0)} s` : value >= 1000 ? `${(value / 1000).toFixed(1)} s` : value >= 10 ? `${value.toFixed(0)} ms` : `${value.toFixed(value >= 1 ? 1 : 3)} ms` }

/** What it costs at every write, in words, with how often that is where it has been counted. */
function writesOf({ method, where, keys, facts: { isPartitioned } }: Candidate, { inserts, updates, hotUpdates, deletes }: Writes, sizeBytes: number): string {
  const columns = keys.map((key) => key.replace(/ (desc|nulls \w+|\w+_ops)\b/g, '')).join(', ')
  const entry = where === undefined ? 'Every insert writes an entry more' : `Only inserts of rows where ${where} write an entry more`
  const hot = updates > 0 && hotUpdates / updates > 0.2 ? ` ${Math.round(hotUpdates / updates * 100)} % of the updates touch no index now; those that change ${columns} will.` : ''
  const counts = inserts + updates + deletes > 0 ? ` Counted so far: ${counted(inserts)} inserts, ${counted(updates)} updates, ${counted(deletes)} deletes.` : ''
  return `It takes ${bytes(sizeBytes)}. ${entry}, and so does every update of ${columns}${method === 'gin' ? '; in a gin index that is several entries for each value, so writes cost more than with a btree' : ''}.${hot}${counts}${isPartitioned ? ' The table is partitioned: build it on each partition concurrently first, then on the parent, which only takes them up.' : ''}`
}
