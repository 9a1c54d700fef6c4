import type { FastifyInstance } from 'fastify'
import type { AppDefinition, ProcedureDefinition, RouteDefinition } from '../app/index.ts'
import { type Authenticator, createAuthenticator } from '../auth/index.ts'
import { type Clock, deriveKey, failed, type Random, type Rate } from '../base/index.ts'
import { type Cache, createCache, memoryDriver } from '../cache/index.ts'
import { createBackground, createRepeats, type Hostility, type Platform, type Way } from '../calls/index.ts'
import { createData, type DataConfig } from '../data/index.ts'
import { registerSubscribers, type RelayOptions } from '../events/index.ts'
import { createServer, type HttpOptions } from '../http/index.ts'
import { createWorker, nextRun, type Worker } from '../jobs/index.ts'
import { createLimiter, createShedder, type Shedder } from '../limit/index.ts'
import { createMetrics, createOtlpExporter, createTracer, type Logs } from '../observe/index.ts'
import { compose, type Gate } from '../request.ts'
import { createGuards } from '../resilience/index.ts'
import { type FileStore, folderFiles } from '../store/index.ts'

export interface EngineOptions {
  readonly app: AppDefinition
  readonly clock: Clock
  readonly random: Random
  readonly logs: Logs
  readonly data: DataConfig
  /** 32 bytes, from which every key is derived. */
  readonly secret: Uint8Array
  readonly filesDirectory: string
  /** By dependency (short or full name): what its operations find in `config`. */
  readonly dependencies: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly http: HttpOptions
  /** Undefined: no limits at all, as load tests want. */
  readonly rateLimit: { readonly perAddress: Rate } | undefined
  readonly capacity: { readonly requests: number; readonly jobs: number; readonly cacheEntries: number }
  readonly hostility?: Hostility | undefined
  /** In development: told, once for each place, of a statement that one request sends again and again. */
  readonly onRepeated?: ((text: string) => void) | undefined
  /** Where traces go, and what share of them; nowhere unless told. */
  readonly tracing?: { readonly endpoint: string; readonly share: number } | undefined
}

/** An application put together with its tiers: it answers calls, and does background work when asked to. `run` keeps asking. */
export interface Engine {
  readonly platform: Platform
  readonly cache: Cache
  readonly server: FastifyInstance
  readonly worker: Worker
  readonly relay: RelayOptions
  readonly authenticator: Authenticator | undefined
  readonly files: FileStore
  /** Told after each commit: events were stated, jobs were enqueued. */
  onCommit: (what: { events: boolean; jobs: boolean }) => void
  close(): Promise<void>
}

export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { app, clock, random, logs } = options
  const metrics = createMetrics()
  const exporter = options.tracing && createOtlpExporter({ endpoint: options.tracing.endpoint, serviceName: app.name, clock, metrics })
  const tracer = createTracer({ clock, random, share: options.tracing?.share ?? 0, exporter })
  const modules = [...app.modules.values()]
  const queries = modules.flatMap((module) => [...module.procedures.values()])
  const cache = createCache(queries, memoryDriver(options.capacity.cacheEntries), clock, metrics)
  const data = createData(options.data, clock, metrics)
  const files = folderFiles(options.filesDirectory, clock, random)
  const ways = new Map<ProcedureDefinition, Way>()
  const platform: Platform = {
    app, clock, random, logs, metrics, tracer, data, files, hostility: options.hostility, ...(options.onRepeated ? { repeats: createRepeats(options.onRepeated) } : {}), dependencies: dependenciesOf(app, options.dependencies),
    key: (purpose) => deriveKey(options.secret, purpose),
    way(procedure) {
      let way = ways.get(procedure)
      if (!way) ways.set(procedure, way = compose(platform, cache, procedure))
      return way
    },
    committed(events, enqueued) {
      for (const { event, payload } of events) {
        // It has committed: a when() that throws makes the cache unsure, not the command undone.
        try { cache.invalidate(event, payload) } catch (error) { cache.clear(); logs.error('an invalidation failed: the cache was emptied', { event, reason: String(error) }) }
        authenticator?.onCommitted(event, payload)
      }
      if (events.length > 0 || enqueued) engine.onCommit({ events: events.length > 0, jobs: enqueued })
    },
  }
  const definition = app.routes[0]?.auth.definition
  const authenticator = definition && createAuthenticator(platform, definition)
  const background = createBackground(platform)
  const jobs = new Map(modules.flatMap((module) => [...module.jobs.values()]).map((job) => [job.name, job]))
  for (const job of jobs.values()) if (job.cron) nextRun(job, clock.now())
  const subscribers = modules.flatMap((module) => [...module.subscribers.values()])
  const worker = createWorker({ data, clock, random, logs, metrics, jobs, concurrency: options.capacity.jobs, perform: background.perform })
  const relay: RelayOptions = { data, clock, random, logs, metrics, subscribers, deliver: background.react, mayCrash: options.hostility?.mayCrash }
  gauges(platform)
  const limiter = createLimiter(clock, { perAddress: options.rateLimit?.perAddress, on: options.rateLimit !== undefined })
  const shedder = createShedder(options.capacity.requests, metrics)
  const server = await createServer(platform, gatedWays(options.app, platform, cache, (route) => ({ route, limiter, shedder, ...(authenticator ? { authenticator } : needsAuth()) })), options.http, limiter, authenticator?.allowsUnlimited)
  await Promise.all(data.databases.map((database) => registerSubscribers(data, database, subscribers)))
  await authenticator?.refreshRevoked()
  const engine: Engine = {
    platform, cache, server, worker, relay, authenticator, files, onCommit: () => {},
    async close() {
      await server.close()
      await untilIdle(clock, shedder)
      await worker.idle()
      await exporter?.close()
      await data.close()
      logs.flush()
    },
  }
  return engine
}

function gatedWays(app: AppDefinition, platform: Platform, cache: Cache, gate: (route: RouteDefinition) => Gate): Map<RouteDefinition, Way> {
  return new Map(app.routes.map((route) => [route, compose(platform, cache, route.procedure, gate(route))]))
}

function needsAuth(): never { throw failed('definition', 'Routes need defineAuth: it says who may call.') }

/** How long a caller that went away may leave its request at work when the process leaves, in milliseconds. */
const abandonedMs = 10_000

/** A connection that its client closed is no longer the server's to wait for; what it asked for may still be at work. */
async function untilIdle(clock: Clock, shedder: Shedder): Promise<void> {
  for (const until = clock.monotonic() + abandonedMs; shedder.running() > 0 && clock.monotonic() < until;) await clock.sleep(10)
}

function dependenciesOf(app: AppDefinition, configs: EngineOptions['dependencies']): Platform['dependencies'] {
  const definitions = [...app.modules.values()].flatMap((module) => [...module.dependencies.values()])
  const missing: { path: string; message: string }[] = []
  const dependencies = new Map(definitions.map((definition) => {
    const config = configs[definition.shortName] ?? configs[definition.name] ?? {}
    for (const name of definition.config) if (config[name] === undefined) missing.push({ path: `dependencies.${definition.shortName}.${name}`, message: 'is not set' })
    return [definition.name, { guards: createGuards(definition), config, replaced: new Map() }] as const
  }))
  if (missing.length > 0) throw failed('topology', `The topology does not say all that the dependencies need: ${missing.map(({ path, message }) => `${path} ${message}`).join('; ')}.`, { faults: missing })
  return dependencies
}

function gauges({ data, metrics, dependencies, logs }: Platform): void {
  for (const { name, primary, writer, replicas } of data.databases) {
    for (const [pool, { usage }] of [['reads', primary.pool], ['writes', writer]] as const) {
      for (const state of ['used', 'available', 'waiting'] as const) metrics.gauge('db_client_connection_count', 'Connections of a pool, by state', { db_namespace: name, pool, state }, () => usage()[state])
    }
    for (const replica of replicas) {
      for (const state of ['used', 'available', 'waiting'] as const) metrics.gauge('db_client_connection_count', 'Connections of a pool, by state', { db_namespace: name, pool: replica.name, state }, () => replica.pool.usage()[state])
      metrics.gauge('tenfold_replica_lag_seconds', 'How far a replica is behind, by the heartbeat', { db_namespace: name, replica: replica.name }, () => replica.lagMs() / 1_000)
      metrics.gauge('tenfold_replica_in_rotation', '1 while reads go to the replica', { db_namespace: name, replica: replica.name }, () => replica.outage() === undefined ? 1 : 0)
    }
  }
  metrics.gauge('tenfold_log_lines_lost', 'Log lines that could not be written', {}, () => logs.lost())
  for (const [name, { guards }] of dependencies) metrics.gauge('tenfold_dependency_open', '1 while the breaker is open', { dependency: name }, () => guards.state() === 'open' ? 1 : 0)
}
