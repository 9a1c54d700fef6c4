import { failed } from '../base/index.ts'
import type { Statement, Transaction } from '../data/index.ts'
import type { RecordKey } from './call.ts'

/** What was recorded under a key. */
export interface Recorded { readonly answer: unknown }

/**
 * Claims the key in the command's own transaction, before anything else in it: a concurrent repeat waits at the same row. Answers
 * what an earlier commit recorded, or undefined when the work is ours to do. Errors: `run-lost` when a later owner of the run
 * was here; `step-changed` when the same key was used with another input.
 */
export async function claim(transaction: Transaction, bucket: number, key: RecordKey, fingerprint: string, nowMs: number): Promise<Recorded | undefined> {
  const { rows } = await transaction.query<{ fenced: boolean; claimed: boolean }>({
    name: key.epoch === undefined ? 'tenfold_claim' : 'tenfold_claim_fenced', text: key.epoch === undefined ? claimAlone : claimFenced,
    values: [bucket, key.run, key.step, fingerprint, new Date(nowMs + key.keepMs), ...(key.epoch === undefined ? [] : [key.epoch])],
  })
  if (!rows[0]?.fenced) throw runLost(key.run)
  if (rows[0].claimed) return undefined
  const found = await transaction.query<{ fingerprint: string; answer: unknown }>({ name: 'tenfold_recorded', text: 'select fingerprint, answer from tenfold.records where bucket = $1 and run = $2 and step = $3', values: [bucket, key.run, key.step] })
  const record = found.rows[0]
  if (!record) throw runLost(key.run)
  if (record.fingerprint !== fingerprint) throw stepChanged(key.step)
  return { answer: record.answer }
}

const claimAlone = `with claimed as (
    insert into tenfold.records (bucket, run, step, fingerprint, expires_at) values ($1, $2, $3, $4, $5) on conflict do nothing returning 1)
  select true as fenced, exists (select from claimed) as claimed`

// The fence is one row for each run and bucket: whoever owns the run raises it with each write, and an older owner finds it too high.
const claimFenced = `with fence as (
    insert into tenfold.records (bucket, run, step, expires_at, epoch) values ($1, $2, '', $5, $6)
    on conflict (bucket, run, step) do update set epoch = excluded.epoch where records.epoch <= excluded.epoch returning 1),
  claimed as (
    insert into tenfold.records (bucket, run, step, fingerprint, expires_at) select $1, $2, $3, $4, $5 from fence on conflict do nothing returning 1)
  select exists (select from fence) as fenced, exists (select from claimed) as claimed`

/** Goes out with the COMMIT. */
export function recordAnswer(bucket: number, key: RecordKey, answer: unknown): Statement {
  return { name: 'tenfold_record', text: 'update tenfold.records set answer = $4 where bucket = $1 and run = $2 and step = $3', values: [bucket, key.run, key.step, JSON.stringify(answer ?? null)] }
}

export function runLost(run: string): Error {
  return failed('run-lost', `The run ${run} was taken over by another process, which goes on with it: ask for its outcome with the same key.`, { retryAfterMs: 1_000 })
}

export function stepChanged(step: string): Error {
  return failed('step-changed', `The step ${step} was recorded with another input: take a command's input from recorded answers, from the action's own input, ctx.id and ctx.now, never from a fresh read.`)
}
