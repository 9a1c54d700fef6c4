import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type App, type AppDefinition, appDefinition } from '../app/index.ts'
import { type Clock, failed, resolveKey, systemClock } from '../base/index.ts'
import { asRole, type Connection, createData, type Data } from '../data/index.ts'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'
import { startPostgres } from '../ops/rig/postgres.ts'
import { runningPostgres } from '../ops/rig/running.ts'
import { assertTopology, type Topology } from '../topology/index.ts'
import { masterSecret, openDataDirectory } from './data-directory.ts'
import { namesOf } from './embedded.ts'
import { assertStays } from './moved.ts'
import { reachServers } from './servers.ts'

/** An application's data, for who looks after it from a terminal. */
export interface Attached {
  readonly app: AppDefinition
  readonly data: Data
  /** The same database, as who may do everything there. */
  readonly admin: Connection
  /** Its replicas, as the same. */
  readonly replicas: readonly Connection[]
  readonly clock: Clock
  /** Whether the application itself is running. */
  readonly isRunning: boolean
  close(): Promise<void>
}

/** Reaches the data of an application whether it runs (beside it) or not (its Postgres is then started for as long). Errors: `topology`, `start`. */
export async function attach(app: App<any, any, any>, topology: Topology<any>): Promise<Attached> {
  const definition = appDefinition(app)
  assertTopology(definition, topology)
  if (topology.stage !== 'single') {
    const { admin, config: { replicas }, data: config } = await reachServers(definition, topology, resolveKey(topology.secret, 'secret'))
    const data = createData({ ...config, pool: { max: 4, waitMs: 5_000 } }, systemClock)
    return { app: definition, data, admin, replicas: replicas.map((replica) => asRole(replica, admin)), clock: systemClock, isRunning: true, close: () => data.close() } // whether it runs is not to be seen from here
  }
  const server = await attachServer(topology)
  try {
    const secret = topology.secret ? resolveKey(topology.secret, 'secret') : await masterSecret(server.place)
    const { name, application } = namesOf(definition, secret)
    const { host, port } = server.address
    const data = createData({ databases: [{ name, primary: { host, port, ...application, database: name }, replicas: [] }], pool: { max: 4, waitMs: 5_000 } }, systemClock)
    return { app: definition, data, admin: { ...server.address, database: name }, replicas: [], clock: systemClock, isRunning: server.isRunning, async close() { await data.close(); await server.close() } }
  } catch (error) {
    await server.close()
    throw error
  }
}

/** The server under an application's data, as its superuser. */
export interface AttachedServer {
  readonly address: PostgresAddress
  /** The application's data directory, and in it that of Postgres. */
  readonly place: string
  readonly directory: string
  /** Whether the application itself is running. */
  readonly isRunning: boolean
  close(): Promise<void>
}

/** As `attach`, for who looks after the server. Errors: `topology`, `start`. */
export async function attachServer(topology: Topology<any>): Promise<AttachedServer> {
  if (topology.stage !== 'single') throw failed('topology', `The topology's stage is ${topology.stage}: its server is backed up by whoever runs it; this version backs up a database of its own, at stage single or under tenfold up.`)
  const place = resolve(topology.data ?? '.tenfold')
  const directory = join(place, 'postgres')
  await assertStays(place)
  await assertDatabase(place)
  const running = await runningPostgres(directory)
  if (running) return { address: running, place, directory, isRunning: true, async close() {} }
  const { stop, ...address } = await startHere(place, directory)
  return { address, place, directory, isRunning: false, close: stop }
}

/** Errors: `start`, where a data directory has no Postgres in it. */
export async function assertDatabase(place: string): Promise<void> {
  await access(join(place, 'postgres', 'cluster', 'PG_VERSION')).catch((cause: unknown) => { throw failed('start', `There is no database in ${place}: tenfold start makes it, and TENFOLD_DATA or the topology says where it is.`, { cause }) })
}

/** The name of an application's database on that server. */
export function databaseName(app: App<any, any, any>): string { return namesOf(appDefinition(app), new Uint8Array()).name }

async function startHere(place: string, directory: string) {
  const lock = await openDataDirectory(place)
  try {
    const { host, port, user, password, stop } = await startPostgres({ directory })
    return { host, port, user, password, async stop() { await stop(); await lock.release() } }
  } catch (error) {
    await lock.release()
    throw error
  }
}
