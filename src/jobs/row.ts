import type { Caller } from '../app/index.ts'

/** A row of `tenfold.runs`: a job, or an action that must end. */
export interface RunRow {
  id: string; bucket: number; kind: 'job' | 'action'; name: string; input: unknown; fingerprint: string; caller: Caller; state: 'waiting' | 'running' | 'unfinished' | 'done' | 'undone'
  answer: unknown; due_at: string | null; lease_until: string | null; tries: number; epoch: number; started_at: string; give_up_at: string | null; traceparent: string | null; priority: number
}
export const runColumns = ['id', 'bucket', 'kind', 'name', 'input', 'fingerprint', 'caller', 'state', 'answer', 'due_at', 'lease_until', 'tries', 'epoch', 'started_at', 'give_up_at', 'traceparent', 'priority']
  .map((column) => `runs.${column}`).join(', ')

/** How long an owner may be silent before another takes the run, in milliseconds. */
export const leaseMs = 15_000
