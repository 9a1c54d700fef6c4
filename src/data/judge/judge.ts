import type pg from 'pg'
import { failed } from '../../base/index.ts'
import { bulkOf } from './bulk.ts'
import { readCatalog } from './catalog.ts'
import type { Directives } from './directives.ts'
import type { Statement } from './parse.ts'
import { queriesOf, sleeps } from './queries.ts'
import { remedyFor } from './remedies.ts'
import { type LockMode, tryStatement } from './trial.ts'
import { refusedUntried } from './untried.ts'
import { isSlow, type Rule, rule, type Verdict } from './verdict.ts'
import { faultOfWhole, type WholeFault } from './whole.ts'

/** What one statement does to the tables that were there before it, and what follows. As JSON it is what `tenfold migrate --check --json` prints. */
export interface Judged {
  readonly statement: string
  readonly line: number
  /** The strongest lock that it takes on any of those tables; null: none. */
  readonly lock: LockMode | null
  readonly locks: Readonly<Record<string, LockMode>>
  /** Whether that lock keeps SELECT out while it is held, and INSERT, UPDATE and DELETE. */
  readonly blocksReads: boolean
  readonly blocksWrites: boolean
  /** Whether a table is written anew. */
  readonly rewrite: boolean
  /** Whether a table is read from end to end: to verify what it holds, or under a lock of more than a query. */
  readonly scan: boolean
  readonly indexBuilds: number
  readonly outsideTransaction: boolean
  readonly verdict: Verdict
  /** What makes it other than safe: the word by which a file allows it. */
  readonly rule: Rule | null
  readonly reason: string
  /** The safe way, as SQL for these tables; empty where it is safe as it is. */
  readonly remedy: string
  /** Why the file says that it is right all the same. */
  readonly allowed: string | undefined
}

/** What is tried, and where: a scratch database that nothing else uses. */
export interface Bench {
  readonly client: pg.Client
  /** The tables that count, by oid: those that were there before anything that is judged. */
  readonly existing: ReadonlySet<string>
}

/** Errors: `migration`, where the server does not count what a transaction does. */
export async function benchOn(client: pg.Client): Promise<Bench> {
  const { rows } = await client.query<{ counts: string }>(`select current_setting('track_counts') as counts`)
  if (rows[0]?.counts !== 'on') throw failed('migration', 'Migrations are judged by what Postgres counts of each table, and track_counts is off: set it on, which autovacuum needs as well.')
  return { client, existing: new Set((await readCatalog(client)).relations.keys()) }
}

/** Tries the statements of one file, in their order, and judges each. They are kept, so that the next file finds what they made. */
export async function judgeFile(bench: Bench, statements: readonly Statement[], directives: Pick<Directives, 'allow' | 'contract'>): Promise<Judged[]> {
  const fault = statements.some(refusedUntried) ? undefined : await faultOfWhole(bench.client, statements)
  const tried: Tried[] = []
  for (const statement of statements) {
    const { judged, long } = await judgeStatement(bench, statement)
    tried.push({ judged: allowed(fault?.statement === statement ? inOneTransaction(judged, fault) : judged, directives), long })
  }
  return tried.some(({ judged }) => judged.outsideTransaction) ? tried.map(({ judged }) => judged) : heldLocks(tried, directives) // outside, each statement commits by itself
}

/** `long`: it takes as long as a table is large, or waits by itself. */
interface Tried { readonly judged: Judged; readonly long: boolean }

async function judgeStatement({ client, existing }: Bench, statement: Statement): Promise<Tried> {
  const place = { statement: statement.text, line: statement.line }
  const untried = refusedUntried(statement)
  if (untried) return { judged: { ...place, ...untried, verdict: 'unsafe', lock: null, locks: {}, blocksReads: false, blocksWrites: false, rewrite: false, scan: false, indexBuilds: 0, outsideTransaction: false, allowed: undefined }, long: false }
  const queries = await queriesOf(client, statement)
  const catalog = await readCatalog(client)
  const effects = await tryStatement(client, statement, existing, catalog)
  const bulk = bulkOf(statement, queries, effects, catalog, existing)
  const waits = sleeps(queries.nodes) || isSlow(statement, effects)
  const ruling = rule(statement, effects, { bulk, waits })
  const { lock, locks, blocksReads, blocksWrites, rewrites, scans, reads, indexBuilds, outsideTransaction } = effects
  const judged = { ...place, lock, locks, blocksReads, blocksWrites, rewrite: rewrites.length > 0, scan: scans.length > 0, indexBuilds, outsideTransaction, ...ruling, remedy: remedyFor(statement, effects, ruling, bulk), allowed: undefined }
  return { judged, long: waits || (lock !== null && (scans.length + rewrites.length + reads.length + indexBuilds > 0 || bulk !== undefined)) }
}

/** What works by itself and not behind the statements before it. */
function inOneTransaction(judged: Judged, { reason }: WholeFault): Judged {
  if (judged.verdict === 'invalid') return judged
  return { ...judged, verdict: 'invalid', rule: 'invalid', reason: `It fails: ${reason} (behind the statements before it, in the file's one transaction).`, remedy: 'Put it into a file of its own behind this one: each file is a transaction of its own, and what this one makes is committed by then.' }
}

function allowed(judged: Judged, { allow, contract }: Pick<Directives, 'allow' | 'contract'>): Judged {
  if (judged.rule === null) return judged
  return { ...judged, allowed: judged.rule === 'contract' ? contract : allow.get(judged.rule === 'invalid' ? 'unjudged' : judged.rule) }
}

/** What takes long does so under the locks that were taken before it in the same transaction. */
function heldLocks(tried: readonly Tried[], directives: Pick<Directives, 'allow' | 'contract'>): Judged[] {
  let held: Judged | undefined
  return tried.map(({ judged: one, long }) => {
    const before = held
    if (one.blocksWrites && !held) held = one
    if (!before || !long || one.verdict !== 'safe') return one
    return allowed({
      ...one, verdict: 'unsafe', rule: 'held-lock', reason: `It takes as long as a table is large, or as it waits, and line ${before.line} of the same file, which is one transaction, has locked ${Object.keys(before.locks).join(', ')} (${before.lock}) until then.`,
      remedy: 'Put it into a file of its own, which is a transaction of its own.',
    }, directives)
  })
}

/** Whether a statement may run: it is safe, or the file says why it is right all the same. */
export function mayRun({ verdict, allowed: why }: Judged): boolean { return verdict === 'safe' || why !== undefined }
