/** The application's tiers in this process, on a Postgres that is there: what `run` makes of them, without its server listening. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { appDefinition, type Caller, definitionOf, type Kind, type Procedure } from '../../src/app/index.ts'
import { Positions, systemClock, systemRandom } from '../../src/base/index.ts'
import { type Call, keyed } from '../../src/calls/index.ts'
import { migrate } from '../../src/data/index.ts'
import { createLogs } from '../../src/observe/index.ts'
import { deadlineIn } from '../../src/resilience/index.ts'
import { createEngine, type Engine } from '../../src/runtime/index.ts'
import type { Given } from '../contender.ts'
import { app } from './app.ts'

const role = { user: 'tenfold_app', password: 'tenfold' }

/** `replicas`: where copies of that Postgres answer. */
export async function startEngine(given: Given, replicas: readonly { readonly host: string; readonly port: number }[] = []): Promise<Engine> {
  if (!given.postgres) throw new Error('The engine needs a Postgres, and its bout gives it none.')
  const definition = appDefinition(app)
  const admin = { ...given.postgres, database: 'bench' }
  await migrate({ admin, create: true, application: role, modules: definition.modules.values() })
  const files = join(given.directory, 'files')
  mkdirSync(files, { recursive: true })
  // The numbers that src/runtime/run.ts gives stage `single`: an application cannot choose others there.
  return createEngine({
    app: definition, clock: systemClock, random: systemRandom, logs: createLogs({ level: 'info' }), secret: Buffer.alloc(32, 7), filesDirectory: files,
    data: { databases: [{ name: 'bench', primary: { ...admin, ...role }, replicas: replicas.map(({ host, port }) => ({ ...admin, ...role, host, port })), hasPlatform: true }], pool: { max: 10, waitMs: 2_000 } },
    dependencies: {}, http: { bodyBytesMax: 1024 ** 2, corsOrigins: [] }, rateLimit: undefined, capacity: { requests: 400, jobs: 16, cacheEntries: 20_000 },
  })
}

/** Calls a procedure as its route would: a command with a key leaves its record. */
export async function callOn<In, Out>(engine: Engine, procedure: Procedure<Kind, In, Out>, input: In, options: { key?: string; as?: Caller; positions?: Positions } = {}): Promise<Out> {
  const { platform } = engine
  const definition = definitionOf(procedure)
  const trace = platform.tracer.begin(undefined, 'bench', 'internal')
  const call: Call = {
    procedure: definition, input, caller: options.as ?? null, positions: options.positions ?? new Positions(), deadline: deadlineIn(platform.clock, definition.timeoutMs), trace, log: platform.logs.of(trace),
    key: platform.random.bytes(16).toString('hex'), now: platform.clock.now(), idempotencyKey: options.key,
  }
  return await keyed(platform.way(definition))(call) as Out
}
