import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, appDefinition, type Caller, definitionOf, type Kind, type Procedure } from '../app/index.ts'
import { type Duration, failed, milliseconds, overTheWire, Positions, seededRandom, systemClock, systemRandom } from '../base/index.ts'
import { type Call, createHostility, ended, type Hostility } from '../calls/index.ts'
import { type Client, createClient } from '../client/index.ts'
import { isIdle, rebuildProjection, relay } from '../events/index.ts'
import { enqueueScheduled } from '../jobs/index.ts'
import { createLogs, type LogLevel } from '../observe/index.ts'
import { deadlineIn } from '../resilience/index.ts'
import { createEngine, type Engine } from '../runtime/index.ts'
import { movableClock } from './clock.ts'
import { createTestDatabases } from './databases.ts'

export interface TestAppOptions {
  /** `plain` is stage 1. `hostile`: two shards in one Postgres, a delayed replica, calls serialised, everything twice, crashes between steps. */
  readonly stage?: 'plain' | 'hostile'
  /** Of the hostile stage's faults; TENFOLD_SEED, or chance, unless told. */
  readonly seed?: number
  readonly dependencies?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly rateLimit?: boolean
  /** Connections of each pool at most, and how long a caller waits for one. */
  readonly pool?: { readonly max: number; readonly waitMs: number }
  /** Requests at work at most. */
  readonly requests?: number
  readonly log?: LogLevel
  /** Told, once for each place, of a statement that one request sends five times one after another (N+1). */
  readonly onRepeated?: (text: string) => void
  /** A collector, and the share of traces that begin here which it is told of. */
  readonly tracing?: { readonly endpoint: string; readonly share: number }
  /** 0 to 1: how often the process dies where it may (hostile; 0.2 unless told). */
  readonly crashShare?: number
}

export interface TestApp<A> {
  /** A typed client, signed in as that principal; through the whole HTTP stack, without a socket. */
  client(principal?: Record<string, unknown>): Client<A>
  /** Calls it directly, as one caller that carries its position from call to call; `positions` makes another. */
  call<In, Out>(procedure: Procedure<Kind, In, Out>, input: NoInfer<In>, options?: { key?: string; as?: Caller; positions?: Positions }): Promise<Out>
  /** From now on that operation is answered by `fake`. */
  replace<In, Out>(operation: Procedure<'operation', In, Out, any, any>, fake: (input: In, context: { key: string }) => Promise<Out> | Out): void
  down(operation: Procedure<'operation', any, any, any, any>): void
  /** Until no event is on its way, no job is due, and every replica has what was written. */
  settle(): Promise<void>
  readonly clock: { advance(by: Duration): Promise<void>; now(): number }
  rebuild(projection: string): Promise<void>
  readonly seed: number
  readonly hostility: Hostility | undefined
  /** The parts, for tests of the platform itself. */
  readonly engine: Engine
  [Symbol.asyncDispose](): Promise<void>
}

/** An application on a real Postgres of its own, for one test: `await using shop = await testApp(app)`. */
export async function testApp<A extends App<any, any, any>>(app: A, options: TestAppOptions = {}): Promise<TestApp<A>> {
  const definition = appDefinition(app)
  const hostile = options.stage === 'hostile'
  const seed = options.seed ?? Number(process.env['TENFOLD_SEED'] ?? Math.floor(systemRandom.float() * 2 ** 31))
  const clock = movableClock()
  const hostility = hostile ? createHostility(seededRandom(seed), options.crashShare) : undefined
  const databases = await createTestDatabases(definition, hostile ? ['s0', 's1'] : ['main'], hostile)
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-files-'))
  const engine = await createEngine({
    app: definition, clock, random: systemRandom, logs: createLogs({ level: options.log ?? (process.env['TENFOLD_TEST_LOG'] as LogLevel | undefined) ?? 'silent' }), secret: Buffer.alloc(32, 7), filesDirectory: directory,
    data: { databases: databases.configs, pool: options.pool ?? { max: 10, waitMs: 5_000 } }, dependencies: options.dependencies ?? placeholders(definition), http: { bodyBytesMax: 1024 ** 2, corsOrigins: [] },
    rateLimit: options.rateLimit ? { perAddress: '600/min' } : undefined, capacity: { requests: options.requests ?? 500, jobs: 8, cacheEntries: 1_000 }, hostility, onRepeated: options.onRepeated, tracing: options.tracing,
  })
  const settle = () => settleEngine(engine)
  // One caller, unless a test says otherwise: it sees its own writes from call to call.
  const session = new Positions()
  return {
    seed, hostility, engine, settle,
    client: (principal) => clientOf<A>(engine, principal),
    call: (procedure, input, more = {}) => callAs(engine, procedure, input, { positions: session, ...more }),
    replace(operation, fake) { replaced(engine, operation).set(operation.name, fake as never) },
    down(operation) { replaced(engine, operation).set(operation.name, () => { throw failed('dependency-unavailable', `${operation.name} is down (this test says so).`) }) },
    clock: { now: () => clock.now(), async advance(by) { clock.move(milliseconds(by)); await settle() } },
    async rebuild(name) {
      const projection = engine.relay.subscribers.find((subscriber) => subscriber.name === name)
      if (!projection) throw failed('definition', `There is no projection ${name}.`)
      await rebuildProjection(engine.platform.data, clock, projection)
    },
    async [Symbol.asyncDispose]() {
      await engine.close()
      await databases.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Dependencies of a test are replaced or down; one that is asked for real finds an address at which nothing listens. */
function placeholders(app: ReturnType<typeof appDefinition>): Record<string, Record<string, string>> {
  return Object.fromEntries([...app.modules.values()].flatMap((module) => [...module.dependencies.values()]).map(({ name, config }) => [name, Object.fromEntries(config.map((key) => [key, 'http://127.0.0.1:1']))]))
}

function replaced(engine: Engine, operation: Procedure<'operation', any, any, any, any>) {
  const dependency = engine.platform.dependencies.get(definitionOf(operation).operation?.dependency.name ?? '')
  if (!dependency) throw failed('definition', `${operation.name} is no operation of this application.`)
  return dependency.replaced
}

async function settleEngine(engine: Engine): Promise<void> {
  const { data, clock } = engine.platform
  for (let quiet = false; !quiet;) {
    quiet = !await enqueueScheduled(data, clock, [...engine.platform.app.modules.values()].flatMap((module) => [...module.jobs.values()]))
    for (const database of data.databases) {
      while (await relay(engine.relay, database)) quiet = false
      if (await engine.worker.pass(database)) quiet = false
      await engine.worker.idle()
      if (!await isIdle(engine.relay, database)) quiet = false
    }
  }
  await Promise.all(data.databases.map(caughtUp))
}

/** What has settled is seen by everybody. */
async function caughtUp(database: Engine['platform']['data']['databases'][number]): Promise<void> {
  const position = await database.position()
  for (const replica of database.replicas) for (await replica.ask(); !replica.covers(position); await replica.ask()) await systemClock.sleep(10)
}

async function callAs<In, Out>(engine: Engine, procedure: Procedure<Kind, In, Out>, input: In, options: { key?: string; as?: Caller; positions?: Positions }): Promise<Out> {
  const { platform } = engine
  const definition = definitionOf(procedure)
  const trace = platform.tracer.begin(undefined, 'test', 'internal')
  const call: Call = {
    procedure: definition, input: platform.hostility ? overTheWire(input) : input, caller: options.as ?? null, positions: options.positions ?? new Positions(), deadline: deadlineIn(platform.clock, definition.timeoutMs),
    trace, log: platform.logs.of(trace), key: platform.random.bytes(16).toString('hex'), now: platform.clock.now(), idempotencyKey: options.key,
  }
  return await ended(platform, trace, () => platform.way(definition)(call)) as Out
}

/** How long a test's client uses one access token. */
const tokenMs = 60_000

function clientOf<A>(engine: Engine, principal: Record<string, unknown> | undefined): Client<A> {
  const issue = engine.platform.app.modules.get('auth')?.procedures.get('issue')
  let token: Promise<string> | undefined
  let signedInAt = 0
  return createClient<A>({
    // A test says itself what it sends, and sees each answer.
    baseUrl: '', tries: 1, makeKey: () => undefined,
    async token() {
      if (!principal || !issue) return undefined
      // Signed in again in time, as a client of one's own would be: tests move the clock.
      if (token === undefined || signedInAt + tokenMs < engine.platform.clock.now()) {
        signedInAt = engine.platform.clock.now()
        token = callAs(engine, issue as never, principal as never, {}).then((answer) => (answer as { accessToken: string }).accessToken)
      }
      return token
    },
    async fetch(url, init) {
      const answer = await engine.server.inject({ method: init.method as 'GET', url, headers: init.headers as Record<string, string>, ...(init.body === undefined ? {} : { payload: init.body as string }) })
      const headers = new Headers(Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)] as [string, string])))
      const empty = answer.statusCode === 204 || answer.statusCode === 304
      return new Response(empty ? null : new Uint8Array(answer.rawPayload), { status: answer.statusCode, headers })
    },
  })
}
