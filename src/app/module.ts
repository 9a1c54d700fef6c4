import { failed, fingerprint, milliseconds, type Duration } from '../base/index.ts'
import { makeFailure } from './failure.ts'
import type { AnyFailures, Cache, DependencyOptions, Module, When } from './options.ts'
import type {
  Backstop, CachePolicy, DependencyDefinition, EventDefinition, Handler, Invalidation, JobDefinition, Kind, OperationRules, ProcedureDefinition, QueryRules,
  ShardRule, SubscriberDefinition, Event,
} from './procedure.ts'
import { hasBuriedMark, jsonSchema, type JsonSchema, kindOf, type Schema } from './schema.ts'
import { stripper, validator } from './validation.ts'

/** A module as the platform sees it: what it owns, and all that was defined on it. */
export interface ModuleDefinition {
  readonly name: string
  readonly migrations: URL
  readonly shardKey: string | undefined
  readonly procedures: Map<string, ProcedureDefinition>
  readonly events: Map<string, EventDefinition>
  readonly jobs: Map<string, JobDefinition>
  readonly subscribers: Map<string, SubscriberDefinition>
  readonly dependencies: Map<string, DependencyDefinition>
  /** Verbs that were begun and have no handler yet. */
  readonly unfinished: Set<string>
  /** The application that took it; nothing may be defined after that. */
  sealedBy: string | undefined
}

type Columns<DB> = { [T in keyof DB]: keyof DB[T] }[keyof DB]
interface CommonOptions { input: Schema; output: Schema; timeout?: Duration; errors?: AnyFailures; describe?: string; shardKey?: string; merge?: (parts: unknown[]) => unknown }

const identifier = /^[a-z][A-Za-z0-9]*$/
/** A module's schema is its name in snake_case: these belong to the platform and to Postgres. */
const reserved = /^(tenfold|public|pg[A-Z].*|informationSchema)$/
const defaultTimeoutMs = 5_000
const defaultEventKeepMs = 30 * 86_400_000

/**
 * A module: `defineModule<Tables>()('orders', { migrations, shardKey: 'customerId' })`. `migrations` is a folder of `.sql` files,
 * applied in the order of their names, in the Postgres schema of the module's name.
 */
export function defineModule<DB>(): <const M extends string, Key extends Extract<Columns<DB>, string> = never>(
  name: M, options: { migrations: URL; shardKey?: Key }) => Module<M, DB, Key> {
  return (name, options) => {
    if (!identifier.test(name)) throw failed('definition', `A module is named ${JSON.stringify(name)}: use a letter and then letters and digits, such as 'orders'.`)
    if (reserved.test(name)) throw failed('definition', `A module is named ${name}, which is the name of a schema that is not its own: use another.`)
    const definition: ModuleDefinition = {
      name, migrations: options.migrations, shardKey: options.shardKey,
      procedures: new Map(), events: new Map(), jobs: new Map(), subscribers: new Map(), dependencies: new Map(), unfinished: new Set(), sealedBy: undefined,
    }
    return Object.assign(definition, verbs(definition)) as unknown as Module<typeof name, DB, never> // the two faces of one object: ModuleDefinition here, Module there
  }
}

/** The same object, as the platform sees it. */
export function moduleDefinition(module: { readonly name: string }): ModuleDefinition {
  return module as ModuleDefinition // see defineModule
}

function verbs(module: ModuleDefinition): object {
  const procedure = (kind: Kind, name: string, options: CommonOptions, more: Partial<ProcedureDefinition>) => (run: Handler) =>
    add(module, module.procedures, name, makeProcedure(module, kind, name, options, run, more))
  return {
    failure: makeFailure,
    event: (name: string, payload: Schema, options: { orderedBy?: string; keep?: Duration } = {}) => add(module, module.events, name, {
      kind: 'event', module: module.name, name, payload: jsonSchema(payload), validate: validator(jsonSchema(payload), `The event ${name}`),
      orderedBy: options.orderedBy, keepMs: options.keep ? milliseconds(options.keep) : defaultEventKeepMs,
    }),
    query: (name: string, options: CommonOptions & { notFound?: string; cache?: Cache<any>; consistency?: QueryRules['consistency'] }) => {
      const rules = (statement: QueryRules['statement']): { query: QueryRules } => ({ query: {
        consistency: options.consistency ?? 'session', cache: options.cache && cachePolicy(options.cache, options.output, `${module.name}.${name}`), statement, notFound: options.notFound,
      } })
      return needsHandler(module, name, {
        handle: (run: Handler) => procedure('query', name, options, rules(undefined))(run),
        statement: (build: NonNullable<QueryRules['statement']>) => procedure('query', name, options, rules(build))(async () => undefined),
      })
    },
    command: (name: string, options: CommonOptions & { isolation?: 'repeatable read' | 'read committed' }) => needsHandler(module, name, {
      handle: procedure('command', name, options, { command: { isolation: options.isolation ?? 'repeatable read', files: hasFile(jsonSchema(options.input)) } }),
    }),
    lookup: (name: string, options: CommonOptions) => needsHandler(module, name, { handle: procedure('lookup', name, options, {}) }),
    action: (name: string, options: CommonOptions & { backstop: { after: Duration; giveUpAfter: Duration; undo: Handler } | { none: string } }) => needsHandler(module, name, {
      handle: procedure('action', name, options, { action: { backstop: backstopOf(options.backstop), none: 'none' in options.backstop ? options.backstop.none : undefined } }),
    }),
    job: (name: string, options: { input: Schema; timeout: Duration; tries: number; cron?: string; concurrency?: number; shardKey?: string }) => {
      const job = (as: JobDefinition['as']) => (run: Handler) => add(module, module.jobs, name, makeJob(module, name, as, options, run))
      return needsHandler(module, name, { handle: job('action'), command: job('command') })
    },
    on: (event: Event<string, unknown>, name: string, options: { shardKey?: string }, run: Handler) => {
      add(module, module.subscribers, name, { name: `${module.name}.${name}`, module, handlers: new Map([[eventName(event), run]]), shard: shardOf(module, name, options, eventPayload(event)), tables: undefined })
    },
    projection: (name: string, options: { tables: readonly string[]; shardKey?: string }) => {
      const handlers = new Map<string, Handler>()
      const shard: ShardRule = module.shardKey ? { kind: 'field', field: options.shardKey ?? module.shardKey } : { kind: 'none' }
      add(module, module.subscribers, name, { name: `${module.name}.${name}`, module, handlers, shard, tables: options.tables })
      const projection = { on: (event: Event<string, unknown>, run: Handler) => {
        open(module, name)
        shardOf(module, name, options, eventPayload(event))
        if (handlers.has(eventName(event))) throw failed('definition', `${module.name}.${name} has two handlers of ${eventName(event)}: make them one.`)
        handlers.set(eventName(event), run)
        return projection
      } }
      return projection
    },
    dependency: (name: string, policy: DependencyOptions) => dependencyVerbs(module, add(module, module.dependencies, name, makeDependency(module, name, policy)), procedure),
  }
}

function open(module: ModuleDefinition, name: string): void {
  if (module.sealedBy !== undefined) throw failed('definition', `${module.name}.${name} is defined after defineApp('${module.sealedBy}'): import its file before the application is defined.`)
}

function add<T>(module: ModuleDefinition, place: Map<string, T>, name: string, definition: T): T {
  open(module, name)
  if (place !== module.events as Map<string, unknown> && !identifier.test(name)) throw failed('definition', `${module.name} defines ${JSON.stringify(name)}: use a letter and then letters and digits.`)
  // A job and an action are both runs, found by their name.
  const callable = [module.procedures, module.jobs].includes(place as never)
  if (place.has(name) || (callable && (module.procedures.has(name) || module.jobs.has(name)))) throw failed('definition', `${module.name}.${name} is defined twice: give one of them another name.`)
  if (callable) module.unfinished.delete(name)
  place.set(name, definition)
  return definition
}

function needsHandler<T extends object>(module: ModuleDefinition, name: string, methods: T): T {
  open(module, name)
  module.unfinished.add(name)
  return methods
}

function makeProcedure(module: ModuleDefinition, kind: Kind, shortName: string, options: CommonOptions, run: Handler, more: Partial<ProcedureDefinition>): ProcedureDefinition {
  const name = `${module.name}.${shortName}`
  const input = jsonSchema(options.input)
  if (input.properties === undefined) throw failed('definition', `The input of ${name} is no object schema: use t.Object.`)
  if (hasBuriedMark(input)) throw failed('definition', `The input of ${name} holds a field of the caller's inside another field, where a client could fill it: put it among the input's own.`)
  const touchesRows = kind === 'query' || kind === 'command'
  return {
    kind, name, module, input, output: jsonSchema(options.output), describe: options.describe, errors: options.errors ?? [],
    timeoutMs: options.timeout ? milliseconds(options.timeout, `${name}'s timeout`) : defaultTimeoutMs,
    shard: touchesRows ? shardOf(module, shortName, options, input) : shardOf(module, shortName, { ...options, shardKey: options.shardKey ?? optionalShardKey(module, input) }, input),
    validate: validator(input, `The input of ${name}`), strip: stripper(jsonSchema(options.output)), run, ...more,
  }
}

/** An action needs no shard key, but where its input has the module's, its record lives in that bucket. */
function optionalShardKey(module: ModuleDefinition, input: JsonSchema): string | undefined {
  return module.shardKey && input.properties?.[module.shardKey] ? module.shardKey : ''
}

function shardOf(module: ModuleDefinition, name: string, options: { shardKey?: string | undefined; merge?: (parts: unknown[]) => unknown }, input: JsonSchema | undefined): ShardRule {
  if (module.shardKey === undefined || options.shardKey === '') return { kind: 'none' }
  if (options.shardKey === 'all' && options.merge) return { kind: 'all', merge: options.merge }
  const field = options.shardKey ?? module.shardKey
  if (input?.properties && !input.properties[field]) throw failed('definition', `${module.name}.${name} touches a sharded module and its input has no field ${field}: add the field, or say shardKey.`)
  return { kind: 'field', field }
}

function cachePolicy(cache: Cache<any>, output: Schema, name: string): CachePolicy {
  return {
    ttlMs: milliseconds(cache.ttl, `${name}'s cache.ttl`), staleForMs: cache.staleFor ? milliseconds(cache.staleFor) : 0, negativeMs: cache.negative ? milliseconds(cache.negative) : 0,
    invalidatedBy: 'none' in cache.invalidatedBy ? [] : cache.invalidatedBy as unknown as readonly Invalidation[], // `When` is the public face of Invalidation
    none: 'none' in cache.invalidatedBy ? cache.invalidatedBy.none : undefined,
    schemaHash: fingerprint(jsonSchema(output)).slice(0, 8),
  }
}

/** Cached entries that this event makes wrong: those whose input has these fields; `{}` means all. */
export function when<P, F>(event: Event<string, P>, fields: (payload: P) => F | readonly F[]): When<F> {
  const rule: Invalidation = { event: eventName(event), fields: (payload) => [fields(payload as P)].flat() as Record<string, unknown>[] }
  return rule as unknown as When<F> // the public face says only which fields it gives
}

function backstopOf(backstop: { after: Duration; giveUpAfter: Duration; undo: Handler } | { none: string }): Backstop | undefined {
  return 'none' in backstop ? undefined : { afterMs: milliseconds(backstop.after), giveUpAfterMs: milliseconds(backstop.giveUpAfter), undo: backstop.undo }
}

function makeJob(module: ModuleDefinition, name: string, as: JobDefinition['as'], options: { input: Schema; timeout: Duration; tries: number; cron?: string; concurrency?: number; shardKey?: string }, run: Handler): JobDefinition {
  const input = jsonSchema(options.input)
  if (options.cron && (input.required ?? []).length > 0) throw failed('definition', `The job ${module.name}.${name} has a cron schedule and an input that requires ${input.required?.join(', ')}: a scheduled job's input is {}.`)
  return {
    kind: 'job', name: `${module.name}.${name}`, module, as, run, validate: validator(input, `The input of the job ${module.name}.${name}`),
    shard: shardOf(module, name, options.cron ? { shardKey: '' } : options, input), timeoutMs: milliseconds(options.timeout), tries: options.tries, cron: options.cron, concurrency: options.concurrency,
  }
}

function makeDependency(module: ModuleDefinition, name: string, policy: DependencyOptions): DependencyDefinition {
  const { failures = 0.5, within = '30s', openFor = '15s', minimumCalls = 5 } = policy.breaker ?? {}
  const refuse = (what: string) => { throw failed('definition', `The dependency ${module.name}.${name} says ${what}.`) }
  if (!(failures > 0 && failures <= 1)) refuse(`breaker.failures: ${failures}, which is no share: use more than 0 and at most 1`)
  if (!(minimumCalls >= 1)) refuse(`breaker.minimumCalls: ${minimumCalls}: use 1 or more`)
  if (policy.tries !== undefined && !(Number.isInteger(policy.tries) && policy.tries >= 1)) refuse(`tries: ${policy.tries}: use 1 (once) or more`)
  if (policy.atMost && !(policy.atMost.running >= 1 && policy.atMost.waiting >= 0)) refuse(`atMost with running ${policy.atMost.running} and waiting ${policy.atMost.waiting}: one at least must run`)
  return {
    name: `${module.name}.${name}`, shortName: name, timeoutMs: milliseconds(policy.timeout), tries: policy.tries ?? 1,
    breaker: { failures, withinMs: milliseconds(within), openForMs: milliseconds(openFor), minimumCalls },
    atMost: policy.atMost ?? { running: 50, waiting: 100 }, config: policy.config,
  }
}

function dependencyVerbs(module: ModuleDefinition, dependency: DependencyDefinition, procedure: (kind: Kind, name: string, options: CommonOptions, more: Partial<ProcedureDefinition>) => (run: Handler) => ProcedureDefinition): object {
  return {
    operation: (name: string, options: CommonOptions) => needsHandler(module, name, {
      handle: (run: Handler) => ({
        fallback: (fallback: OperationRules['fallback']) => procedure('operation', name, { ...options, timeout: `${dependency.timeoutMs * dependency.tries + 1000}ms`, shardKey: '' }, { operation: { dependency, fallback } })(run),
      }),
    }),
  }
}

function hasFile(schema: JsonSchema): boolean {
  return kindOf(schema) === 'file' || Object.values(schema.properties ?? {}).some(hasFile) || (schema.items ? hasFile(schema.items) : false) || (schema.anyOf ?? []).some(hasFile)
}

export function eventName(event: { readonly module: string; readonly name: string }): string { return `${event.module}.${event.name}` }
function eventPayload(event: Event<string, unknown>): JsonSchema { return (event as unknown as EventDefinition).payload } // the builder makes both faces as one object
