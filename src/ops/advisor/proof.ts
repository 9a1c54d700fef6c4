import { candidatesFor, type Available, type Candidate, idOf } from './candidates.ts'
import { type Asked, askedOf } from './conditions.ts'
import { factsOf, type TableFacts } from './facts.ts'
import { explain, type Explained, indexesIn, nodesOf, type Query } from './plan.ts'
import type { Built, Workshop } from './workshop.ts'

/**
 * Whether an index would serve a statement is asked of the planner itself: each candidate is made, the statement planned again, and the
 * index taken away. What the planner does not use, or what saves little, is not proposed. Of what is left the least does: fewest columns
 * first, among those that are about as good as the best.
 */
export interface Proof {
  readonly before: Explained
  /** With everything in `chosen`. */
  readonly after: Explained
  readonly chosen: readonly { readonly candidate: Candidate; readonly sizeBytes: number }[]
  readonly tried: readonly Tried[]
  readonly asked: readonly Asked[]
  readonly tables: ReadonlyMap<string, TableFacts>
}

export interface Tried { readonly index: string; readonly isUsed: boolean; readonly cost: number | undefined; readonly refused: string | undefined }

/** A statement this cheap has nothing to gain, in the planner's units: a page read in order is one. */
const cheapCost = 50
/** What is proposed saves at least half; a step towards it, where two indexes serve together, at least a tenth. */
const [gain, step] = [2, 1.1]
/** As good as the best is who costs so much more at most. */
const nearly = { factor: 1.25, cost: 8 }
/** A statement that costs less with an index alone is not made to cost less by a wider one. */
const coveredCost = 200
const roundsMax = 3

export async function prove(workshop: Workshop, query: Query, available: Available): Promise<Proof> {
  const before = await measured(workshop, query)
  const asked = askedOf((await withoutIndexes(workshop, query)).plan)
  const tables = new Map<string, TableFacts>()
  for (const { alias, schema, table } of asked) {
    const facts = await workshop.outside(() => factsOf(workshop.client, schema, table))
    if (facts) tables.set(alias, facts)
  }
  const tried: Tried[] = []
  let chosen: Made[] = []
  let now: { cost: number } = before
  let groups = before.cost < cheapCost ? [] : asked.flatMap((one) => { const facts = tables.get(one.alias); return facts ? candidatesFor(one, facts, available) : [] })
  for (let round = 0; round < roundsMax && groups.length > 0; round++) {
    const found: Found[] = []
    for (const group of groups) {
      const outcome = await attempt(workshop, query, group)
      if (round === 0) tried.push({ index: group.map(idOf).join('; '), isUsed: outcome.isUsed, cost: outcome.cost, refused: outcome.refused })
      if (outcome.isUsed && outcome.cost !== undefined && saves(now.cost, outcome.cost, saves(before.cost, now.cost) ? gain : step)) found.push({ group, cost: outcome.cost, size: outcome.size, isForOrderAlone: outcome.isForOrderAlone === true })
    }
    const best = leastOf(found)
    if (!best) break
    const built = await buildAll(workshop, best.group)
    if ('refused' in built) break
    chosen.push(...built.map((one, index) => ({ candidate: best.group[index] as Candidate, built: one })))
    now = { cost: best.cost }
    groups = groups.filter((group) => found.some((one) => one.group === group) || group.some(({ facts }) => !best.group.some((one) => one.facts === facts))).filter((group) => group !== best.group)
    if (now.cost < cheapCost) break
  }
  chosen = await covering(workshop, query, chosen, asked, now.cost)
  const after = chosen.length > 0 ? await measured(workshop, query) : before
  const inUse = indexesIn(after.plan)
  for (const { built } of chosen) await workshop.remove(built)
  const kept = chosen.filter(({ built }) => uses(inUse, built))
  // Cheaper on paper only is not cheaper.
  const isSlower = before.executionMs !== undefined && after.executionMs !== undefined && after.executionMs > before.executionMs && before.executionMs > 0.5
  const useless = kept.length === 0 || isSlower || !(saves(before.cost, after.cost) || savesTime(before, after))
  return { before, after: useless ? before : after, chosen: useless ? [] : kept.map(({ candidate, built }) => ({ candidate, sizeBytes: built.sizeBytes })), tried, asked, tables }
}

interface Found { readonly group: Candidate[]; readonly cost: number; readonly size: number; /** It gives the order, and every row that it gives is looked at: cheap only where those asked for are soon met. */ readonly isForOrderAlone: boolean }
interface Made { candidate: Candidate; built: Built }

function saves(before: number, after: number, least = gain): boolean { return before / Math.max(after, 0.01) >= least && before - after >= cheapCost / 2 }

/** What the planner expects of an index may be too little: what was measured counts as well. */
function savesTime({ executionMs: before = 0 }: Explained, { executionMs: after = Infinity }: Explained): boolean { return before >= 1 && before / Math.max(after, 0.001) >= gain * 2 }

function uses(inUse: readonly string[], { names }: Built): boolean { return names.some((name) => inUse.includes(name)) }

async function attempt(workshop: Workshop, query: Query, group: readonly Candidate[]): Promise<{ isUsed: boolean; cost?: number; size: number; refused?: string; isForOrderAlone?: boolean }> {
  const built = await buildAll(workshop, group)
  if ('refused' in built) return { isUsed: false, size: 0, refused: built.refused }
  try {
    const { plan, cost } = await explain(workshop.client, query)
    const inUse = indexesIn(plan)
    return { isUsed: built.every((one) => uses(inUse, one)), cost, size: built.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      isForOrderAlone: nodesOf(plan).some((node) => built.some(({ names }) => names.includes(node['Index Name'] ?? '')) && node['Filter'] !== undefined && /^(undefined|\(\S+ IS NOT NULL\))$/.test(String(node['Index Cond']))) }
  } finally {
    for (const one of built) await workshop.remove(one)
  }
}

async function buildAll(workshop: Workshop, group: readonly Candidate[]): Promise<Built[] | { refused: string }> {
  const built: Built[] = []
  for (const candidate of group) {
    const one = await workshop.build(candidate)
    if ('refused' in one) {
      for (const earlier of built) await workshop.remove(earlier)
      return one
    }
    built.push(one)
  }
  return built
}

/** One index before two, few columns before many, plain before partial: unless the partial one is a sixth of the size. */
function leastOf(found: readonly Found[]): Found | undefined {
  const least = Math.min(...found.map(({ cost }) => cost))
  const weight = ({ group, isForOrderAlone }: Found) => (isForOrderAlone ? 15 : 0) + group.length * 100 + group.reduce((sum, { keys, method, hasExpression }) => sum + keys.length * 10 + (method === 'btree' ? 0 : 5) + (hasExpression ? 1 : 0), 0)
  const near = found.filter(({ cost }) => cost <= Math.max(least * nearly.factor, least + nearly.cost))
  const whole = near.filter(({ group }) => group.every(({ where }) => where === undefined)).toSorted((one, other) => weight(one) - weight(other) || one.cost - other.cost)[0]
  const partial = near.filter(({ group }) => group.some(({ where }) => where !== undefined)).toSorted((one, other) => one.size - other.size || weight(one) - weight(other))[0]
  return partial && (!whole || partial.size * 6 <= whole.size) ? partial : whole
}

/** The columns that are read beside, kept in the index itself: where that halves the cost again. */
async function covering(workshop: Workshop, query: Query, chosen: Made[], asked: readonly Asked[], cost: number): Promise<Made[]> {
  const [only] = chosen
  if (!only || chosen.length > 1 || only.candidate.method !== 'btree' || cost < coveredCost) return chosen
  const { candidate } = only
  const one = asked.find(({ table, schema }) => table === candidate.facts.table && schema === candidate.facts.schema)
  const more = [...one?.needed ?? []].filter((column) => !candidate.keys.includes(column))
  if (more.length === 0 || more.length > 3) return chosen
  const wider: Candidate = { ...candidate, include: more }
  await workshop.remove(only.built)
  const built = await workshop.build(wider)
  if (!('refused' in built)) {
    const { plan, cost: covered } = await explain(workshop.client, query)
    if (saves(cost, covered) && nodesOf(plan).some((node) => node['Node Type'] === 'Index Only Scan' && built.names.includes(node['Index Name'] ?? '')) && built.sizeBytes <= only.built.sizeBytes * 2) return [{ candidate: wider, built }]
    await workshop.remove(built)
  }
  const again = await workshop.build(candidate)
  return 'refused' in again ? [] : [{ candidate, built: again }]
}

/** Longer than this runs nothing that is only measured, in milliseconds. */
const runMs = 30_000
/** What takes this long is not repeated, in milliseconds. */
const onceMs = 1_000

/** Planned, and where that may be done, run three times: the quickest counts, since the first fills the cache. */
async function measured(workshop: Workshop, query: Query): Promise<Explained> {
  const { client } = workshop
  if (!workshop.canRun || (query.parameters > 0 && !query.values)) return explain(client, query)
  const runs: Explained[] = []
  try {
    for (let run = 0; run < 3; run++) {
      await client.query(`begin; set local statement_timeout = ${runMs}`)
      runs.push(await explain(client, query, { run: true }))
      await client.query('rollback')
      if ((runs[0]?.executionMs ?? 0) > onceMs) break
    }
  } catch {
    await client.query('rollback').catch(() => {}) // it takes too long, or cannot be run with what stands for its parameters: then it is only planned
  }
  const [quickest] = runs.toSorted((one, other) => (one.executionMs ?? 0) - (other.executionMs ?? 0))
  return quickest ?? explain(client, query)
}

const naked = ['enable_indexscan', 'enable_indexonlyscan', 'enable_bitmapscan', 'enable_mergejoin']

async function withoutIndexes({ client }: Workshop, query: Query): Promise<Explained> {
  await client.query([...naked.map((name) => `set ${name} = off`), 'set max_parallel_workers_per_gather = 0'].join('; '))
  try {
    return await explain(client, query)
  } finally {
    await client.query([...naked, 'max_parallel_workers_per_gather'].map((name) => `reset ${name}`).join('; '))
  }
}

