import type { Caller } from '../app/index.ts'

/** A row of `tenfold.runs`: a job, or an action that must end. */
export interface RunRow {
  id: string; bucket: number; kind: 'job' | 'action'; name: string; input: unknown; fingerprint: string; caller: Caller; state: 'waiting' | 'running' | 'unfinished' | 'done' | 'undone'
  answer: unknown; refusal: KeptRefusal | null; due_at: string | null; lease_until: string | null; tries: number; deaths: number; epoch: number; started_at: string; give_up_at: string | null; traceparent: string | null; priority: number
}
export const runColumns = ['id', 'bucket', 'kind', 'name', 'input', 'fingerprint', 'caller', 'state', 'answer', 'refusal', 'due_at', 'lease_until', 'tries', 'deaths', 'epoch', 'started_at', 'give_up_at', 'traceparent', 'priority']
  .map((column) => `runs.${column}`).join(', ')

/** A refusal, as it is kept to be told again. */
export interface KeptRefusal { readonly code: string; readonly status: number; readonly title: string; readonly message: string; readonly data?: unknown }

/** What a new owner writes. One taken while it runs had an owner who fell silent: that is a death of the owner's, and no try of the work's own. */
export const takeOver = `state = 'running', epoch = epoch + 1, tries = tries + (state <> 'running')::int, deaths = deaths + (state = 'running')::int`

/** How long an owner may be silent before another takes the run, in milliseconds. */
export const leaseMs = 15_000
