import type { SelectQueryBuilder } from 'kysely'
import type { Duration } from '../base/index.ts'
import type { ActionContext, LookupContext, OperationContext, ProcessContext, QueryContext, CommandContext, Reads, Writes } from './context.ts'
import type { Event, Failure, Job, Procedure } from './procedure.ts'
import type { CallerFields, Infer, ObjectSchema, Schema } from './schema.ts'
import type { FailureStatus } from './failure.ts'

export type Empty = Record<never, never>
export type FieldOf<In> = Extract<{ [K in keyof In]-?: In[K] extends string | number | undefined ? K : never }[keyof In], string>

/** Made by `when`. */
export interface When<Fields> { readonly event: string; readonly '~fields': Fields }
/** What a cached query must say. */
export interface Cache<In> {
  ttl: Duration
  /** How long after `ttl` the old value may still be given while a new one is fetched. */
  staleFor?: Duration
  /** How long "not found" is remembered. */
  negative?: Duration
  /** Events that make an entry wrong, or in words why time alone will do. */
  invalidatedBy: readonly When<Partial<In>>[] | { none: string }
}
export type Shard<Key, In> = [Key] extends [never] ? Empty : Key extends keyof In ? { shardKey?: FieldOf<In> } : { shardKey: FieldOf<In> }
export type ShardRead<Key, In, Out> = [Key] extends [never] ? Empty : Shard<Key, In> | { shardKey: 'all'; merge: (parts: Out[]) => Out }

export type AnyFailure = Failure<string, any>
export type AnyFailures = readonly AnyFailure[]
export type Problems<E extends AnyFailures> = { [N in keyof E]: { code: E[N]['code']; data: E[N]['~data'] } }[number]
export interface Common<I, O, E> { input: I; output: O; timeout?: Duration; errors?: E; describe?: string }
export type Slots<In> = { readonly [K in keyof In]-?: NonNullable<In[K]> }
export interface ReadOptions<I extends Schema> {
  /** What a statement for one row that finds none is missing: a 404 that names it. */
  notFound?: string
  cache?: Cache<Infer<I>>
  /** `session` (the caller's own writes are seen) unless told; `primary`: the newest; `eventual`: whatever is near. */
  consistency?: 'session' | 'primary' | 'eventual'
}
/** `read committed` is for commands that only make guarded updates of hot rows, where re-running a crowd would cost its square. */
export interface WriteOptions { isolation?: 'repeatable read' | 'read committed' }
/** What ends an action whose process died, or that answered `unfinished`: it runs again after that long, and is undone in the end. */
export type BackstopOptions<In, Out> = { after: Duration; giveUpAfter: Duration; undo: (ctx: ActionContext, input: In) => Promise<Out | void> } | { none: string }
export interface JobOptions<I> {
  input: I
  timeout: Duration
  tries: number
  /** Five or six fields, in UTC. The job's input is then `{}`. */
  cron?: string
  /** How many run at once in one database, over all processes. */
  concurrency?: number
}

export interface NeedsHandler<Ctx, In, Out, Result> { handle(run: (ctx: Ctx, input: In) => Promise<Out>): Result }
export interface NeedsJobHandler<M extends string, DB, In> {
  /** As an action: named steps; after a crash it is resumed. */
  handle(run: (ctx: ActionContext, input: In) => Promise<void>): Job<M, In>
  /** As a command: one transaction, in which its acknowledgement commits too. */
  command(run: (ctx: CommandContext<M, DB>, input: In) => Promise<void>): Job<M, In>
}

export interface Projection<DB> { on<P>(event: Event<string, P>, run: (ctx: { db: Writes<DB> }, payload: P) => Promise<void>): Projection<DB> }
export interface DependencyOptions {
  /** Of one attempt. */
  timeout: Duration
  /** How many attempts in all; 1 unless told. */
  tries?: number
  /** Opens when at least `minimumCalls` (5) were made `within` and that share of them failed. */
  breaker?: { failures: number; within: Duration; openFor: Duration; minimumCalls?: number }
  atMost?: { running: number; waiting: number }
  /** Names of what the topology must say for it, such as its URL. */
  config: readonly string[]
}
export interface Dependency {
  operation<I extends ObjectSchema, O extends Schema>(name: string, options: { input: I; output: O }): NeedsHandler<OperationContext, Infer<I>, Infer<O>, NeedsFallback<Infer<I>, Infer<O>>>
}
export interface NeedsFallback<In, Out> {
  /** What answers when the service is down. Until it is said, this is no operation. */
  fallback(run: ((ctx: LookupContext, input: In, failure: Error) => Promise<Out>) | { none: string }): Procedure<'operation', In, Out, never, never>
}

/** A bounded context: it owns its tables, and speaks in verbs. */
export interface Module<M extends string, DB, Key extends string = never> {
  readonly name: M
  readonly '~db': DB
  readonly '~key': Key
  event<S extends Schema>(name: string, payload: S, options?: { orderedBy?: FieldOf<Infer<S>>; keep?: Duration }): Event<M, Infer<S>>
  failure<const C extends string, S extends Schema>(code: C, options: { status: FailureStatus; data: S; message: (data: Infer<S>) => string }): Failure<C, Infer<S>>

  query<I extends ObjectSchema, O extends Schema, const E extends AnyFailures = []>(
    name: string, options: Common<I, O, E> & ReadOptions<I> & ShardRead<Key, Infer<I>, Infer<O>>,
  ): NeedsHandler<QueryContext<DB>, Infer<I>, Infer<O>, Procedure<'query', Infer<I>, Infer<O>, CallerFields<I>, Problems<E>>> & {
    /** One statement, built once from placeholders: prepared, pipelined, known before any traffic. */
    statement(build: (db: Reads<DB>, input: Slots<Infer<I>>) => SelectQueryBuilder<any, any, Infer<O> extends readonly (infer Row)[] ? Row : Infer<O>>): Procedure<'query', Infer<I>, Infer<O>, CallerFields<I>, Problems<E>>
  }
  command<I extends ObjectSchema, O extends Schema, const E extends AnyFailures = []>(
    name: string, options: Common<I, O, E> & WriteOptions & Shard<Key, Infer<I>>,
  ): NeedsHandler<CommandContext<M, DB>, Infer<I>, Infer<O>, Procedure<'command', Infer<I>, Infer<O>, CallerFields<I>, Problems<E>>>
  /** Steps that only read: queries and dependencies. The one kind of action a GET may serve. */
  lookup<I extends ObjectSchema, O extends Schema, const E extends AnyFailures = []>(
    name: string, options: Common<I, O, E>,
  ): NeedsHandler<LookupContext, Infer<I>, Infer<O>, Procedure<'lookup', Infer<I>, Infer<O>, CallerFields<I>, Problems<E>>>
  action<I extends ObjectSchema, O extends Schema, const E extends AnyFailures = []>(
    name: string, options: Common<I, O, E> & { backstop: BackstopOptions<Infer<I>, Infer<O>> },
  ): NeedsHandler<ProcessContext, Infer<I>, Infer<O>, Procedure<'action', Infer<I>, Infer<O>, CallerFields<I>, Problems<E>>>

  job<I extends ObjectSchema>(name: string, options: JobOptions<I> & Shard<Key, Infer<I>>): NeedsJobHandler<M, DB, Infer<I>>
  on<P>(event: Event<string, P>, name: string, options: Shard<Key, P>, run: (ctx: CommandContext<M, DB>, payload: P) => Promise<void>): void
  projection<const T extends keyof DB & string>(name: string, options: { tables: readonly T[] } & ([Key] extends [never] ? Empty : { shardKey: string })): Projection<Pick<DB, T>>
  dependency(name: string, policy: DependencyOptions): Dependency
}
