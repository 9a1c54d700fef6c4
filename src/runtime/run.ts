import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { type App, type AppDefinition, appDefinition, type Caller, definitionOf, type Kind, type Procedure } from '../app/index.ts'
import { failed, Positions, resolveKey, resolveSecret, systemClock, systemRandom } from '../base/index.ts'
import { type Call, ended } from '../calls/index.ts'
import { createOpsServer } from '../http/index.ts'
import type { DataConfig } from '../data/index.ts'
import { createLogs, type LogLevel, type Logs } from '../observe/index.ts'
import type { PostgresOptions } from '../ops/rig/postgres.ts'
import { deadlineIn } from '../resilience/index.ts'
import { assertTopology, type Topology } from '../topology/index.ts'
import { startBackground } from './background.ts'
import { prepareBackups, prepareServerBackups } from './backups.ts'
import { createEngine, type Engine } from './engine.ts'
import { type DataDirectory, lentDataDirectory, masterSecret, openDataDirectory, sharedDataDirectory } from './data-directory.ts'
import { databaseName, startEmbedded } from './embedded.ts'
import type { PostgresAddress } from './hold.ts'
import { assertStays } from './moved.ts'
import { assertPortFree } from './ports.ts'
import { readinessChecks } from './readiness.ts'
import { openServers } from './servers.ts'
import { announceVersion } from './versions.ts'

export interface RunOptions {
  /** Told what is being done, in words, while it starts. */
  readonly status?: (text: string) => void
  readonly logLevel?: LogLevel
  /** Runs once the data directory is ours, before anything is started in it: such as what plays the world outside. Closed last. */
  readonly before?: (place: { readonly directory: string }) => Promise<{ close(): Promise<void> }>
  /** Asked first, where another process holds the data directory, runs its Postgres, and starts us anew when we have left: then nobody is asked to go first. No directory: the topology names servers, and no Postgres is needed beside them. */
  readonly hold?: (directory: string | undefined) => Promise<PostgresAddress | undefined>
  /** In development: told, once for each place, of a statement that one request sends again and again (N+1). */
  readonly onRepeated?: (text: string) => void
  /** Aborted: the start goes no further, and leaves nothing running and nothing half made. */
  readonly signal?: AbortSignal
  /** Runs after the migrations, before the first request: such as filling an empty catalogue. */
  readonly prepare?: (running: Pick<Running, 'call'>) => Promise<void>
}

export interface Running {
  readonly urls: { readonly web: string; readonly ops: string }
  /** Calls a procedure from inside, as nobody. */
  call<In, Out>(procedure: Procedure<Kind, In, Out>, input: NoInfer<In>, options?: { as?: Caller }): Promise<Out>
  /** Leaves quietly: unready, no new work, what was taken is finished, everything closed. */
  stop(): Promise<void>
  /** Resolves when it has left; rejects when it had to leave by itself. */
  readonly stopped: Promise<void>
}

/** Runs an application as its topology says. Errors: `topology`, `start`, `migration`, each one sentence with its remedy. */
export async function run(app: App<any, any, any>, topology: Topology<any>, options: RunOptions = {}): Promise<Running> {
  const definition = appDefinition(app)
  assertTopology(definition, topology)
  const place = resolve((topology.stage === 'single' ? topology.data : topology.directory) ?? '.tenfold')
  const held = await options.hold?.(topology.stage === 'single' ? place : undefined)
  const { host, ports } = { host: topology.host ?? '127.0.0.1', ports: topology.ports ?? { web: 3000, ops: 3001 } }
  await assertPortFree(host, ports.web, 'PORT')
  await assertPortFree(host, ports.ops, 'OPS_PORT')
  const closing: (() => Promise<void>)[] = []
  const close = async () => { for (const end of closing.splice(0).toReversed()) await end() }
  try {
    return await start(topology, { host, ports, place, held, closing, close }, definition, options)
  } catch (error) {
    await close()
    throw error
  }
}

interface Place { host: string; ports: { web: number; ops: number }; place: string; held: PostgresAddress | undefined; closing: (() => Promise<void>)[]; close: () => Promise<void> }

async function start(topology: Topology<any>, { host, ports, place, held, closing, close }: Place, app: AppDefinition, { status = () => {}, logLevel = 'info', before, prepare, signal, onRepeated }: RunOptions): Promise<Running> {
  const open = topology.stage !== 'single' ? sharedDataDirectory : held ? lentDataDirectory : openDataDirectory
  const directory = await open(place)
  closing.push(() => directory.release())
  if (topology.stage === 'single') await assertStays(directory.path)
  const secret = topology.secret ? resolveKey(topology.secret, 'secret') : await masterSecret(directory.path)
  const logs = createLogs({ level: logLevel })
  const outside = await before?.({ directory: directory.path })
  if (outside) closing.push(() => outside.close())
  const backups = held || !topology.backup ? undefined : topology.stage === 'single' ? await prepareBackups(topology.backup, directory, logs) : await prepareServerBackups(topology.backup, directory, logs, databaseName(app))
  if (backups) closing.push(() => backups.close())
  const database = await openDatabase(topology, { app, directory, secret, logs, status, held, signal, archive: backups?.archive ?? 'off' })
  closing.push(() => database.stop())
  const engine = await createEngine({
    app, clock: systemClock, random: systemRandom, logs, secret, filesDirectory: directory.file('files'), data: database.data,
    ...(topology.tracing ? { tracing: { endpoint: resolveSecret(topology.tracing.endpoint, 'tracing.endpoint'), share: topology.tracing.share ?? 0.1 } } : {}),
    onRepeated, dependencies: resolved(topology), http: { bodyBytesMax: 1024 ** 2, corsOrigins: topology.cors ?? [], docs: topology.docs ?? true }, rateLimit: topology.rateLimit === 'off' ? undefined : topology.rateLimit ?? { perAddress: '600/min' },
    capacity: { requests: 400, jobs: 16, cacheEntries: 20_000 },
  })
  closing.push(() => engine.close())
  const version = await announceVersion(app, engine.platform)
  closing.push(() => version.stop())
  if (backups) closing.push(await backups.begin(database.address, engine.platform.metrics))
  const call: Running['call'] = (procedure, input, more = {}) => callInside(engine, procedure, input, more.as ?? null)
  await prepare?.({ call: (...given) => { signal?.throwIfAborted(); return call(...given) } })
  signal?.throwIfAborted()
  let draining = false
  const ops = await createOpsServer(engine.platform, [...readinessChecks(engine), ...backups?.checks ?? []], () => draining)
  const background = startBackground(engine)
  closing.push(() => ops.close(), () => background.stop(), () => leave(engine.server, held ? 0 : lameDuckMs))
  if (!held) await collectGarbage() // where it is started anew at each change, it waits for nothing
  await listen(engine.server, host, ports.web, 'PORT')
  await listen(ops, host, ports.ops, 'OPS_PORT')
  const stop = once(async () => {
    draining = true
    await close()
  })
  const urls = { web: addressOf(engine.server, host), ops: addressOf(ops, host) }
  const { promise: stopped, resolve: left, reject: fell } = Promise.withResolvers<void>()
  stopped.catch(() => { /* whoever waits for it hears of it */ })
  void Promise.race([database.lost, version.outdated]).then((error) => stop().then(() => fell(error), () => fell(error)))
  return { urls, call, stopped, stop: () => stop().then(left) }
}

interface Opening { readonly app: AppDefinition; readonly directory: DataDirectory; readonly secret: Uint8Array; readonly logs: Logs; readonly status: (text: string) => void; readonly held: PostgresAddress | undefined; readonly signal: AbortSignal | undefined; readonly archive: PostgresOptions['archive'] }

/** The database, migrated: this process's own, or the servers that the topology names. */
async function openDatabase(topology: Topology<any>, { directory, signal, ...rest }: Opening): Promise<{ data: DataConfig; lost: Promise<Error>; /** As its superuser, or whoever may migrate. */ address: PostgresAddress; stop(): Promise<void> }> {
  if (topology.stage !== 'single') return await openServers(topology, rest)
  const { config, address, lost, stop } = await startEmbedded({ ...rest, directory: directory.file('postgres'), ...(signal ? { signal } : {}) })
  return { data: { databases: [config], pool: { max: 10, waitMs: 2_000 } }, address, lost, stop }
}

/** What loading left behind, some twenty megabytes, would stay for as long as nothing is asked of us: it goes now, in some 40 ms. */
async function collectGarbage(): Promise<void> {
  try {
    const { Session } = await import('node:inspector/promises')
    const session = new Session()
    session.connect()
    await session.post('HeapProfiler.collectGarbage')
    session.disconnect()
  } catch { /* a Node without its inspector: it is collected later */ }
}

/** How long who stalls in the midst of a request may hold up a process that leaves, in milliseconds. */
const stalledMs = 8_000

/** How long clients are told to let go of their connections before these are closed, in milliseconds: none that is used finds itself cut. */
const lameDuckMs = 1_000

/** Lets clients go, takes no new connection, answers what is on its way, and then cuts off who does not go on. */
async function leave(server: FastifyInstance, lettingGoMs: number): Promise<void> {
  server.lameDuck.on = true
  const open = await new Promise<number>((count) => { server.server.getConnections((_error, connections) => { count(connections ?? 0) }) })
  if (open > 0) await systemClock.sleep(lettingGoMs)
  const cancel = systemClock.after(stalledMs, () => server.server.closeAllConnections())
  await server.close()
  cancel()
}

/** The port was free a moment ago; somebody else may have been quicker. */
async function listen(server: FastifyInstance, host: string, port: number, setting: string): Promise<void> {
  try {
    await server.listen({ host, port })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    throw failed('start', `Port ${port} is in use: stop what uses it, or set ${setting} to another.`, { cause })
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => done ??= work()
}

function addressOf({ server }: FastifyInstance, host: string): string {
  return `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${(server.address() as AddressInfo).port}`
}

function resolved(topology: Topology<any>): Record<string, Record<string, string>> {
  return Object.fromEntries(Object.entries(topology.dependencies ?? {}).map(([name, config]) => [name,
    Object.fromEntries(Object.entries(config).map(([key, value]) => [key, resolveSecret(value, `dependencies.${name}.${key}`)]))]))
}

/** How long a call from inside may take: it is an operator's or a start-up's, such as an import. */
const insideMs = 60_000

async function callInside<In, Out>(engine: Engine, procedure: Procedure<Kind, In, Out>, input: In, caller: Caller): Promise<Out> {
  const { platform } = engine
  const trace = platform.tracer.begin(undefined, 'inside', 'internal')
  const call: Call = {
    procedure: definitionOf(procedure), input, caller, positions: new Positions(), deadline: deadlineIn(platform.clock, insideMs), trace, log: platform.logs.of(trace),
    key: platform.random.bytes(16).toString('hex'), now: platform.clock.now(),
  }
  return await ended(platform, trace, () => platform.way(call.procedure)(call)) as Out
}
