import type { Duration, TenfoldError } from '../base/index.ts'
import type { JsonSchema } from './schema.ts'
import type { ModuleDefinition } from './module.ts'

export type Kind = 'query' | 'lookup' | 'command' | 'action' | 'operation'

/** What can be called: by `ctx.call`, and by a route. `'~types'` exists for the compiler only. */
export interface Procedure<K extends Kind, In, Out, Caller extends string = string, Errors = unknown> {
  readonly kind: K
  readonly name: string
  readonly '~types': { in: In; out: Out; caller: Caller; errors: Errors }
}
export interface Event<M extends string, Payload> { readonly kind: 'event'; readonly module: M; readonly name: string; readonly '~payload': Payload }
export interface Job<M extends string, In> { readonly kind: 'job'; readonly name: string; readonly '~module': M; readonly '~in': In }
/** An error of an application's own: call it with its data and throw the answer. */
export interface Failure<Code extends string, Data> {
  (data: Data, options?: { retryAfter?: Duration; cause?: unknown }): TenfoldError
  readonly code: Code
  readonly status: number
  readonly '~data': Data
}

/** Where a procedure's rows are: one database; one bucket, named by a field of the input; or every shard. */
export type ShardRule =
  | { readonly kind: 'none' }
  | { readonly kind: 'field'; readonly field: string }
  | { readonly kind: 'all'; readonly merge: (parts: unknown[]) => unknown }

/** One rule of a cached query: at that event, entries whose input has these fields are wrong; `{}` means all. */
export interface Invalidation { readonly event: string; readonly fields: (payload: unknown) => readonly Readonly<Record<string, unknown>>[] }
export interface CachePolicy { readonly ttlMs: number; readonly staleForMs: number; readonly negativeMs: number; readonly invalidatedBy: readonly Invalidation[]; /** Why time alone will do, where no event is named. */ readonly none: string | undefined; readonly schemaHash: string }

export type Handler = (ctx: any, input: any) => Promise<unknown>

/** A procedure as the platform sees it: the same object as the `Procedure` that the application holds. */
export interface ProcedureDefinition {
  readonly kind: Kind
  /** `module.name`: unique in an application. */
  readonly name: string
  readonly module: ModuleDefinition
  readonly input: JsonSchema
  readonly output: JsonSchema
  readonly describe: string | undefined
  readonly errors: readonly Failure<string, unknown>[]
  readonly timeoutMs: number
  readonly shard: ShardRule
  readonly validate: (value: unknown) => void
  readonly strip: (value: unknown) => unknown
  readonly run: Handler
  readonly query?: QueryRules
  readonly command?: { readonly isolation: 'repeatable read' | 'read committed'; readonly files: boolean }
  readonly action?: { readonly backstop: Backstop | undefined; /** Why there is none. */ readonly none: string | undefined }
  readonly operation?: OperationRules
}
export interface QueryRules {
  readonly consistency: 'session' | 'primary' | 'eventual'
  readonly cache: CachePolicy | undefined
  /** For a query that is one statement: builds it from placeholders. `run` is not used then. */
  readonly statement: ((db: any, input: any) => { compile(): { sql: string; parameters: readonly unknown[] } }) | undefined
  /** What is missing when a statement for one row finds none. */
  readonly notFound: string | undefined
}
export interface Backstop { readonly afterMs: number; readonly giveUpAfterMs: number; readonly undo: Handler }
export interface OperationRules { readonly dependency: DependencyDefinition; readonly fallback: ((ctx: any, input: any, failure: Error) => Promise<unknown>) | { readonly none: string } }

export interface DependencyDefinition {
  /** `module.name`. */
  readonly name: string
  readonly shortName: string
  readonly timeoutMs: number
  readonly tries: number
  readonly breaker: { readonly failures: number; readonly withinMs: number; readonly openForMs: number; readonly minimumCalls: number }
  readonly atMost: { readonly running: number; readonly waiting: number }
  readonly config: readonly string[]
}

export interface EventDefinition {
  readonly kind: 'event'
  readonly module: string
  readonly name: string
  readonly payload: JsonSchema
  readonly validate: (value: unknown) => void
  /** The field whose equal values keep their order. */
  readonly orderedBy: string | undefined
  readonly keepMs: number
}

export interface JobDefinition {
  readonly kind: 'job'
  /** `module.name`. */
  readonly name: string
  readonly module: ModuleDefinition
  readonly as: 'command' | 'action'
  readonly validate: (value: unknown) => void
  readonly shard: ShardRule
  readonly timeoutMs: number
  readonly tries: number
  readonly cron: string | undefined
  readonly concurrency: number | undefined
  readonly run: Handler
}

/** What reacts to events: an `on`, or a projection (which can be rebuilt from the kept events). */
export interface SubscriberDefinition {
  /** `module.name`: its place in the log is kept under it. */
  readonly name: string
  readonly module: ModuleDefinition
  readonly handlers: ReadonlyMap<string, Handler>
  readonly shard: ShardRule
  /** A projection's own tables, emptied before a rebuild. */
  readonly tables: readonly string[] | undefined
}

export function definitionOf(procedure: { readonly kind: Kind; readonly name: string }): ProcedureDefinition {
  return procedure as ProcedureDefinition // the builder makes both faces as one object
}
