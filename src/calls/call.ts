import type { AppDefinition, Caller, Files, Log, ProcedureDefinition } from '../app/index.ts'
import type { Clock, Positions, Random } from '../base/index.ts'
import type { Data } from '../data/index.ts'
import type { Logs, Metrics, Trace, Tracer } from '../observe/index.ts'
import type { Deadline, Guards } from '../resilience/index.ts'
import type { Hostility } from './hostility.ts'
import type { Repeats } from './repeats.ts'
import type { Run } from './run.ts'

/** One call on its way through the tiers. What comes from outside and what is known so far; a step may add to it. */
export interface Call {
  readonly procedure: ProcedureDefinition
  input: unknown
  caller: Caller
  /** What the caller has seen; grows as the call reads and writes. Shared with the calls that it makes. */
  readonly positions: Positions
  readonly deadline: Deadline
  readonly trace: Trace
  readonly log: Log
  /** What ids, and keys for others, are derived from. Equal in every attempt of one call. */
  readonly key: string
  /** Milliseconds since the epoch; what `ctx.now` says. */
  readonly now: number
  /** The client's, scoped to caller and procedure by the run made of it. */
  idempotencyKey?: string | undefined
  /** Where the answer of a command is recorded, so that it happens once. */
  readonly record?: RecordKey | undefined
  /** The durable run that this call is a step of, or is. */
  readonly run?: Run | undefined
  readonly arrival?: Arrival | undefined
  /** The names of the steps that led here, inside the run. */
  readonly path?: string | undefined
}

/** What a call that came over HTTP brought with it. */
export interface Arrival {
  /** What was sent, without what the caller's identity fills: read when it is first asked for. Errors: `malformed`, `invalid`, `not-found`, `key-required`. */
  sent(): Record<string, unknown>
  /** Opens what is sealed in it (a cursor), now that it is known who asks. Errors: `bad-cursor`. */
  open(input: Record<string, unknown>, caller: Caller): void
  /** Known once `sent` was asked. */
  readonly idempotencyKey: string | undefined
  readonly address: string
  readonly authorization: string | undefined
  /** No rate limit holds for it. */
  readonly unlimited: boolean
  /** What the limits that counted it say: for the response's headers. */
  readonly limits: { name: string; limit: number; windowSeconds: number; remaining: number; resetSeconds: number }[]
}

/** One call's way through the tiers, composed once for each procedure (`request.ts`). */
export type Way = (call: Call) => Promise<unknown>
/** One step of it. */
export type Step = (next: Way) => Way

export interface RecordKey {
  readonly run: string
  readonly step: string
  /** The run's owner, counted: a later owner's writes refuse an earlier one's. Undefined for a call that is no run. */
  readonly epoch: number | undefined
  readonly keepMs: number
}

/** A running application: its tiers, made once at start. Each tier takes from it only what it names. */
export interface Platform {
  readonly app: AppDefinition
  readonly clock: Clock
  readonly random: Random
  readonly logs: Logs
  readonly metrics: Metrics
  readonly tracer: Tracer
  readonly data: Data
  readonly files: Files
  readonly dependencies: ReadonlyMap<string, { readonly guards: Guards; readonly config: Readonly<Record<string, string>>; replaced: Map<string, (input: unknown, context: { key: string }) => unknown> }>
  readonly hostility: Hostility | undefined
  /** In development: who looks for statements that are sent again and again. */
  readonly repeats?: Repeats | undefined
  /** A key for one purpose, derived from the process's secret. */
  key(purpose: string): Buffer
  /** The composed way of a procedure. */
  way(procedure: ProcedureDefinition): Way
  /** After a commit: what must be told before the caller is answered. */
  committed(events: readonly Emitted[], enqueued: boolean): void
}

/** An event that a command stated, in this process's hands after the commit. */
export interface Emitted { readonly event: string; readonly payload: unknown }

export function callerKey(caller: Caller): string {
  return caller === null ? 'anyone' : String(caller['id'] ?? JSON.stringify(caller))
}
