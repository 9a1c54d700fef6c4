import { bytes, counted, type TableFacts } from './facts.ts'
import { ms } from './advise.ts'
import { type Explained, nodesOf, type PlanNode } from './plan.ts'

/** What is wrong with a plan, in words: each with the table, the figures, and what to do. The gravest first. */
export interface Finding {
  readonly kind: 'sequential-scan' | 'estimate' | 'buffers' | 'sort-on-disk' | 'hash-in-parts' | 'lossy-bitmap' | 'nested-loop' | 'filtered-late' | 'skipped-rows' | 'heap-fetches' | 'triggers' | 'jit' | 'planning' | 'workers'
  readonly says: string
}

const page = 8192
/** Below this many pages a table is read in no time. */
const largePages = 100

const number = (node: PlanNode, field: string) => Number(node[field] ?? 0)
/** Of all its runs, in rows; of parallel processes, all together. */
const rowsOf = (node: PlanNode) => number(node, 'Actual Rows') * number(node, 'Actual Loops')
const nameOf = (node: PlanNode) => node['Relation Name'] === undefined ? node['Node Type'].toLowerCase() : `${node.Schema === undefined || node.Schema === 'public' ? '' : `${node.Schema}.`}${node['Relation Name']}`
const ratio = (value: number) => value >= 10 ? counted(value) : value.toFixed(1)

export function findings(explained: Explained, tables: ReadonlyMap<string, TableFacts>, settings: { workMem: string }): Finding[] {
  const { plan, executionMs, planningMs, jitMs, triggers } = explained
  const facts = (node: PlanNode) => [...tables.values()].find(({ schema, table }) => table === node['Relation Name'] && (node.Schema === undefined || schema === node.Schema))
  const found = nodesOf(plan).flatMap((node) => [
    sequential(node, facts(node), executionMs !== undefined), nested(node), sorted(node, settings.workMem), hashed(node, settings.workMem), lossy(node, settings.workMem), late(node), fetched(node), skipped(node), unlaunched(node),
  ])
  const total = executionMs ?? 0
  const whole: (Finding | undefined)[] = executionMs === undefined ? [] : [
    estimate(plan, tables), read(plan),
    ...triggers.filter(({ timeMs }) => timeMs > total * 0.2 && timeMs > 1).map((trigger): Finding => ({ kind: 'triggers', says: `${trigger.name} took ${ms(trigger.timeMs)} of ${ms(total)} in ${counted(trigger.calls)} calls: a foreign key's check is slow where its column has no index (tenfold db advise lists them).` })),
    jitMs > Math.max(5, total * 0.1) ? { kind: 'jit', says: `Compiling the statement took ${ms(jitMs)} of ${ms(total)}, which short statements never win back: set jit = off, or raise jit_above_cost.` } : undefined,
    planningMs !== undefined && planningMs > Math.max(5, total) ? { kind: 'planning', says: `Planning took ${ms(planningMs)}, running ${ms(total)}: prepare it (it is, from the second time that it comes with the same text), or join fewer tables and partitions.` } : undefined,
  ]
  return [...found, ...whole].filter((one) => one !== undefined)
}

function sequential(node: PlanNode, facts: TableFacts | undefined, wasRun: boolean): Finding | undefined {
  if (node['Node Type'] !== 'Seq Scan' || !facts || facts.pages < largePages) return undefined
  const filter = node['Filter'] as string | undefined
  const size = `${counted(facts.rows)} rows, ${bytes(facts.pages * page)}`
  const times = number(node, 'Actual Loops') > 1 && !node['Parallel Aware'] ? `, ${counted(number(node, 'Actual Loops'))} times` : ''
  if (filter === undefined) return { kind: 'sequential-scan', says: `It reads all of ${nameOf(node)} (${size})${times}: no condition narrows it down.` }
  const kept = wasRun ? rowsOf(node) : node['Plan Rows']
  const share = kept / Math.max(1, facts.rows)
  return { kind: 'sequential-scan', says: `It reads all of ${nameOf(node)} (${size})${times} to keep ${wasRun ? '' : 'some '}${counted(kept)} rows (${share >= 0.01 ? Math.round(share * 100) : '< 1'} %), those with ${filter}: ${share < 0.05 ? 'no index serves that; tenfold db advise tries which would' : 'that is so many that reading all is right; ask for fewer rows, or keep the answer'}.` }
}

function nested(node: PlanNode): Finding | undefined {
  if (node['Node Type'] !== 'Nested Loop' || node['Actual Loops'] === undefined) return undefined
  const inner = node.Plans?.[1]
  const outer = node.Plans?.[0]
  if (!inner || !outer) return undefined
  const loops = number(inner, 'Actual Loops')
  const whole = number(node, 'Actual Total Time') * number(node, 'Actual Loops')
  // Of one time, EXPLAIN rounds to a thousandth of a millisecond: the difference says more.
  const spent = whole - number(outer, 'Actual Total Time') * number(outer, 'Actual Loops')
  if (loops < 1000 || spent < whole * 0.5) return undefined
  const expected = outer['Plan Rows']
  const target = nodesOf(inner).find((one) => one['Relation Name'] !== undefined) ?? inner
  return { kind: 'nested-loop', says: `It goes through ${nameOf(target)} ${counted(loops)} times, once for each row of what stands before (${counted(expected)} were expected), which takes ${ms(spent)}: ${loops > expected * 10 ? 'the estimate misled the planner (see there); with a right one it would join in one pass' : `make each time cheap by an index on what joins ${nameOf(target)}, or narrow down what stands before`}.` }
}

function sorted(node: PlanNode, workMem: string): Finding | undefined {
  if (node['Sort Space Type'] !== 'Disk') return undefined
  const size = number(node, 'Sort Space Used') * 1024
  return { kind: 'sort-on-disk', says: `Sorting by ${(node['Sort Key'] as string[]).join(', ')} did not fit into work_mem (${workMem}) and went to disk (${bytes(size)}): an index in that order, a LIMIT, or fewer columns spare it; else set work_mem to ${Math.ceil(size * 3 / 1024 ** 2)}MB for this statement's role.` }
}

function hashed(node: PlanNode, workMem: string): Finding | undefined {
  const batches = number(node, 'Hash Batches') || number(node, 'HashAgg Batches')
  if (batches <= 1) return undefined
  const disk = number(node, 'Disk Usage') * 1024
  return { kind: 'hash-in-parts', says: `${node['Node Type'] === 'Hash' ? 'The table of a hash join' : 'Grouping'} did not fit into work_mem (${workMem}) and was done in ${batches} parts by way of the disk${disk > 0 ? ` (${bytes(disk)})` : ''}: narrow down what goes in, or set a larger work_mem for this statement's role.` }
}

function lossy(node: PlanNode, workMem: string): Finding | undefined {
  const pages = number(node, 'Lossy Heap Blocks')
  if (pages === 0) return undefined
  return { kind: 'lossy-bitmap', says: `The map of matching rows of ${nameOf(node)} did not fit into work_mem (${workMem}): of ${counted(pages)} pages only the page was remembered, and ${counted(number(node, 'Rows Removed by Index Recheck'))} rows were looked at again. A narrower index, or more work_mem, spares that.` }
}

/** An index finds rows, most of which are then thrown away. */
function late(node: PlanNode): Finding | undefined {
  if (!/^(Index Scan|Bitmap Heap Scan|Index Only Scan)$/.test(node['Node Type'])) return undefined
  const removed = number(node, 'Rows Removed by Filter') * number(node, 'Actual Loops')
  if (removed < 1000 || removed < rowsOf(node) * 9) return undefined
  const index = node['Index Name'] ?? nodesOf(node).find((one) => one['Index Name'])?.['Index Name']
  return { kind: 'filtered-late', says: `${index} finds ${counted(removed + rowsOf(node))} rows of ${nameOf(node)}, of which ${counted(rowsOf(node))} are kept, those with ${node['Filter']}: an index that begins with what is asked for and holds that too finds only these.` }
}

function fetched(node: PlanNode): Finding | undefined {
  const fetches = number(node, 'Heap Fetches')
  if (fetches < 1000 || fetches < rowsOf(node) / 2) return undefined
  return { kind: 'heap-fetches', says: `${node['Index Name']} holds all that is asked for, yet ${counted(fetches)} rows of ${nameOf(node)} were read to see whether they are still there: vacuum it (autovacuum does not keep up).` }
}

function skipped(node: PlanNode): Finding | undefined {
  const below = node.Plans?.[0]
  if (node['Node Type'] !== 'Limit' || !below || node['Actual Loops'] === undefined) return undefined
  const thrown = rowsOf(below) - rowsOf(node)
  if (thrown < 1000) return undefined
  return { kind: 'skipped-rows', says: `${counted(thrown)} rows are made and thrown away before the page begins (OFFSET): go on from the last row of the page before instead (page() in tenfold, by keyset).` }
}

function unlaunched(node: PlanNode): Finding | undefined {
  const [planned, launched] = [number(node, 'Workers Planned'), number(node, 'Workers Launched')]
  if (node['Workers Launched'] === undefined || launched >= planned) return undefined
  return { kind: 'workers', says: `${planned} processes were to share the work, and ${launched} were free: the plan counts on help that it did not get (max_parallel_workers).` }
}

/** Only the lowest step that is wrong: what is above is wrong by it. */
function estimate(plan: PlanNode, tables: ReadonlyMap<string, TableFacts>): Finding | undefined {
  const wrong = nodesOf(plan).flatMap((node) => {
    if (node['Actual Rows'] === undefined || number(node, 'Actual Loops') === 0 || node['Node Type'] === 'Limit') return []
    // Below a LIMIT a step ends early, and an estimate is of what it would have come to.
    const [expected, actual] = [Math.max(1, node['Plan Rows']), Math.max(1, number(node, 'Actual Rows'))]
    const factor = Math.max(expected / actual, actual / expected)
    const isCutShort = actual < expected && nodesOf(plan).some((one) => one['Node Type'] === 'Limit' && nodesOf(one).includes(node))
    return factor >= 10 && Math.max(expected, actual) >= 100 && !isCutShort ? [{ node, expected, actual, factor }] : []
  })
  const lowest = wrong.filter(({ node }) => !wrong.some((other) => other.node !== node && nodesOf(node).includes(other.node))).toSorted((one, other) => other.factor - one.factor)[0]
  if (!lowest) return undefined
  const { node, expected, actual, factor } = lowest
  const condition = (node['Filter'] ?? node['Index Cond'] ?? node['Recheck Cond'] ?? node['Hash Cond'] ?? '') as string
  const facts = [...tables.values()].find(({ table }) => table === node['Relation Name'])
  const stale = facts?.analyzedAt === null || facts === undefined
  const isExpression = /\w\(|->|\)::/.test(condition.replaceAll(/'[^']*'::[\w ]+/g, ''))
  const remedy = facts === undefined ? 'statistics do not tell how these tables hang together: narrow down one of them first' : stale ? `it was never analyzed: run analyze ${facts.name}` : isExpression ? `nothing is known of the expression's values: create statistics on it (create statistics on (expression), ... from ${facts.name}), or an index, and analyze`
    : condition.includes(' AND ') ? `its columns hang together, and Postgres takes them as if they did not: create statistics on them together (create statistics name on a, b from ${facts.name}), and analyze` : `run analyze ${facts.name}, and where that changes nothing raise the column's statistics target`
  return { kind: 'estimate', says: `${nameOf(node)}: ${counted(expected)} rows were expected, ${counted(actual)} came (${ratio(factor)} times ${actual > expected ? 'more' : 'fewer'})${condition ? `, for ${condition}` : ''}: ${remedy}.` }
}

function read(plan: PlanNode): Finding | undefined {
  const [hit, missed] = [number(plan, 'Shared Hit Blocks'), number(plan, 'Shared Read Blocks')]
  if (hit + missed < largePages) return undefined
  return { kind: 'buffers', says: `It went through ${counted(hit + missed)} pages (${bytes((hit + missed) * page)}) for ${counted(rowsOf(plan))} rows; ${missed === 0 ? 'all were in Postgres\' memory' : `${counted(missed)} of them (${Math.round(missed / (hit + missed) * 100)} %) were not in Postgres' memory`}${number(plan, 'Temp Written Blocks') > 0 ? `, and ${bytes(number(plan, 'Temp Written Blocks') * page)} went to temporary files` : ''}.` }
}
