import type pg from 'pg'
import { failed } from '../../base/index.ts'
import type { Change, Relation } from './changes.ts'
import type { Notes } from './notes.ts'
import { createReplay } from './replay.ts'
import { forget, readChanges } from './slot.ts'
import { migrationsTable } from './tables.ts'

export interface CatchingUp {
  /** On which no transaction is open. */
  readonly source: pg.Client
  readonly writer: pg.Client
  readonly notes: Notes
  readonly until: bigint
  /** Told between two steps of many. */
  readonly onStep?: () => Promise<void>
}

/** Does on the target what was committed on the source before `until`, in the same order; each step is one transaction there, which says how far it came. Errors: `topology`; the driver's. */
export async function catchUp({ source, writer, notes, until, onStep }: CatchingUp): Promise<void> {
  for (;;) {
    const { all, end } = await step(source, writer, notes, until)
    await forget(source, all ? until : end)
    if (all) return
    await onStep?.()
  }
}

async function step(source: pg.Client, target: pg.Client, notes: Notes, until: bigint): Promise<{ all: boolean; end: bigint }> {
  await target.query('begin; set constraints all deferred')
  try {
    const replay = createReplay(target)
    let [commit, last, end] = [0n, 0n, 0n]
    const { all } = await readChanges(source, until, async (change) => {
      if (change.kind === 'begin') { commit = change.commit; return }
      if (commit >= until) return
      if (change.kind === 'commit') { last = commit; end = change.end; return }
      const missing = stillMissing(change, commit, notes)
      if (missing) await replay.take(missing)
    })
    await replay.flush()
    if (last > 0n) await notes.passed(target, last + 1n)
    await target.query('commit')
    return { all, end }
  } catch (error) {
    await target.query('rollback').catch(() => { /* the connection is gone, and what it had begun with it */ })
    const { code } = error as { code?: string }
    if (code === '55000') throw failed('topology', `The changes since the copy was begun came to more than the disk may hold for them (max_slot_wal_keep_size), and are gone (${(error as Error).message}): run it again at a quieter hour, raise that setting, or stop the application before it is moved.`, { cause: error })
    if (code === '42703') throw failed('topology', `The application's tables have changed meanwhile (${(error as Error).message}): run it again, which brings the tables on the other side to the same shape first.`, { cause: error })
    if (code?.startsWith('23')) throw failed('topology', `What the application did cannot be done on the other side (${(error as Error).message}): something else writes there; run tenfold topology apply --abandon, drop that database, and begin anew.`, { cause: error })
    throw error
  }
}

type RowChange = Exclude<Change, { kind: 'begin' | 'commit' }>

/** What of a change the copies have not got yet; the tables that it changes are no longer known to be the same. */
function stillMissing(change: RowChange, commit: bigint, { from, settled }: Notes): RowChange | undefined {
  const lacks = ({ path }: Relation) => { const since = from.get(path); return since !== undefined && commit >= since }
  const relations = (change.kind === 'truncate' ? change.relations : [change.relation]).filter(lacks)
  if (change.kind !== 'truncate' && change.relation.path === migrationsTable) settled.clear() // what a migration rewrites is told by no change
  for (const { path } of relations) settled.delete(path)
  if (relations.length === 0) return undefined
  return change.kind === 'truncate' ? { ...change, relations } : change
}
