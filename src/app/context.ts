import type { Kysely, SelectQueryBuilder } from 'kysely'
import type { Duration } from '../base/index.ts'
import type { Event, Job, Kind, Procedure } from './procedure.ts'

/** What a query may touch. `with` is retyped: Kysely's own would let a common table expression insert. */
export interface Reads<DB> {
  readonly selectFrom: Kysely<DB>['selectFrom']
  readonly fn: Kysely<DB>['fn']
  with<N extends string, O>(name: N, select: (db: Reads<DB>) => SelectQueryBuilder<any, any, O>): Reads<DB & { [K in N]: O }>
  /** Raw SQL, inside the same transaction: ``ctx.db.sql<Row>`select ... where id = ${id}` ``. Columns come back in camelCase. */
  sql<Row = unknown>(text: TemplateStringsArray, ...values: unknown[]): Promise<Row[]>
}
export interface Writes<DB> extends Reads<DB> {
  readonly insertInto: Kysely<DB>['insertInto']
  readonly updateTable: Kysely<DB>['updateTable']
  readonly deleteFrom: Kysely<DB>['deleteFrom']
  readonly mergeInto: Kysely<DB>['mergeInto']
  readonly withWrite: Kysely<DB>['with']
}

export interface Log {
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

/** Who is calling, as the application's `defineAuth` describes it; null when nobody signed in, or the platform itself calls. */
export type Caller = Readonly<Record<string, unknown>> | null

interface Anywhere {
  readonly caller: Caller
  /** In an action or a job: when it began, the same in every attempt. Elsewhere: when this call began. */
  readonly now: Date
  /** An id derived from the call and the label: the same in every attempt of one call, and in its undo. */
  id(label: string): string
  /** What names this call at others: the same in every attempt. */
  readonly key: string
  /** Aborted when the time limit passes or the process must leave. */
  readonly signal: AbortSignal
  readonly log: Log
}
export interface QueryContext<DB> extends Anywhere {
  readonly db: Reads<DB>
  call<In, Out>(query: Procedure<'query', In, Out>, input: NoInfer<In>): Promise<Out>
}
export interface EnqueueOptions {
  at?: Date
  after?: Duration
  /** 0 (first) to 9 (last); 5 unless told. */
  priority?: number
  /** While a job of that name with this text waits, another is not added. */
  once?: string
}
export interface CommandContext<M extends string, DB> extends Anywhere {
  readonly db: Writes<DB>
  emit<P>(event: Event<M, P>, payload: NoInfer<P>): Promise<void>
  /** A job of one's own module: across modules go events. */
  enqueue<In>(job: Job<M, In>, input: NoInfer<In>, options?: EnqueueOptions): Promise<void>
  /** Rows, events and jobs of the part are undone together when it throws. */
  savepoint<R>(part: (ctx: CommandContext<M, DB>) => Promise<R>): Promise<R>
}
export interface LookupContext extends Anywhere {
  call<In, Out>(callee: Procedure<'query' | 'lookup' | 'operation', In, Out>, input: NoInfer<In>, options?: { step?: string }): Promise<Out>
}
export interface ActionContext extends Anywhere {
  /** A named step: by its procedure, or by `step` where one is called twice. Its answer is recorded; a resumed run reads it. */
  call<In, Out>(callee: Procedure<Kind, In, Out>, input: NoInfer<In>, options?: { step?: string }): Promise<Out>
  readonly files: Files
}
export interface ProcessContext extends ActionContext {
  /** Answer the caller now; the backstop runs this action again under the same key. */
  unfinished<Out>(answer: Out): Out
}
export interface OperationContext {
  /** The same in every attempt: give it to the service as its idempotency key. */
  readonly key: string
  readonly signal: AbortSignal
  /** 1 in the first attempt. */
  readonly attempt: number
  readonly config: Readonly<Record<string, string>>
  /** W3C trace context, to send along. */
  readonly traceparent: string
}

/** A file's place in the store: by its content, so that equal files are one. */
export interface FileRef { readonly id: string; readonly name: string; readonly type: string; readonly bytes: number; readonly sha256: string }
export interface Files {
  /** Keeps the bytes. Until a command that takes the answer commits, they are nobody's, and are collected after a day. */
  put(name: string, body: Uint8Array | ReadableStream<Uint8Array>, options: { type: string }): Promise<FileRef>
  read(file: FileRef): Promise<ReadableStream<Uint8Array>>
}

/** What the platform's own modules (auth) get beside: never exported to applications. */
export const internals = Symbol('tenfold internals')
export interface Internals {
  /** A key for one purpose, derived from the process's secret: 32 bytes. */
  key(purpose: string): Buffer
  random: { bytes(count: number): Buffer }
}
