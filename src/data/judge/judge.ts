import type pg from 'pg'
import { bulkWriteOn } from './bulk.ts'
import { readCatalog } from './catalog.ts'
import type { Directives } from './directives.ts'
import type { Statement } from './parse.ts'
import { remedyFor } from './remedies.ts'
import { type LockMode, tryStatement } from './trial.ts'
import { refusedUntried } from './untried.ts'
import { type Rule, rule, type Verdict } from './verdict.ts'

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
  /** Whether a table is read from end to end, to verify what it holds. */
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

export async function benchOn(client: pg.Client): Promise<Bench> {
  return { client, existing: new Set((await readCatalog(client)).relations.keys()) }
}

/** Tries the statements of one file, in their order, and judges each. They are kept, so that the next file finds what they made. */
export async function judgeFile(bench: Bench, statements: readonly Statement[], directives: Pick<Directives, 'allow' | 'contract'>): Promise<Judged[]> {
  const judged: Judged[] = []
  for (const statement of statements) judged.push(allowed(await judgeStatement(bench, statement), directives))
  return judged.some(({ outsideTransaction }) => outsideTransaction) ? judged : heldLocks(judged, directives) // outside, each statement commits by itself
}

async function judgeStatement({ client, existing }: Bench, statement: Statement): Promise<Judged> {
  const place = { statement: statement.text, line: statement.line }
  const untried = refusedUntried(statement)
  if (untried) return { ...place, ...untried, verdict: 'unsafe', lock: null, locks: {}, blocksReads: false, blocksWrites: false, rewrite: false, scan: false, indexBuilds: 0, outsideTransaction: false, allowed: undefined }
  const bulkOn = bulkWriteOn(statement, await readCatalog(client), existing)
  const effects = await tryStatement(client, statement, existing)
  const ruling = rule(statement, effects, bulkOn)
  const { lock, locks, blocksReads, blocksWrites, rewrites, scans, indexBuilds, outsideTransaction } = effects
  return { ...place, lock, locks, blocksReads, blocksWrites, rewrite: rewrites.length > 0, scan: scans.length > 0, indexBuilds, outsideTransaction, ...ruling, remedy: remedyFor(statement, effects, ruling, bulkOn), allowed: undefined }
}

function allowed(judged: Judged, { allow, contract }: Pick<Directives, 'allow' | 'contract'>): Judged {
  if (judged.rule === null) return judged
  return { ...judged, allowed: judged.rule === 'contract' ? contract : allow.get(judged.rule === 'invalid' ? 'unjudged' : judged.rule) }
}

/** What takes long does so under the locks that were taken before it in the same transaction. */
function heldLocks(judged: readonly Judged[], directives: Pick<Directives, 'allow' | 'contract'>): Judged[] {
  let held: Judged | undefined
  return judged.map((one) => {
    const long = one.scan || one.rewrite || one.indexBuilds > 0 || one.rule === 'bulk-write'
    const before = held
    if (one.blocksWrites && !held) held = one
    if (!before || !long || one.verdict !== 'safe' || one.lock === null) return one
    return allowed({
      ...one, verdict: 'unsafe', rule: 'held-lock', reason: `It takes as long as the table is large, and line ${before.line} of the same file, which is one transaction, has locked ${Object.keys(before.locks).join(', ')} (${before.lock}) until then.`,
      remedy: 'Put it into a file of its own, which is a transaction of its own.',
    }, directives)
  })
}

/** Whether a statement may run: it is safe, or the file says why it is right all the same. */
export function mayRun({ verdict, allowed: why }: Judged): boolean { return verdict === 'safe' || why !== undefined }
