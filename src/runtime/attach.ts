import { join, resolve } from 'node:path'
import { type App, type AppDefinition, appDefinition } from '../app/index.ts'
import { type Clock, failed, resolveKey, systemClock } from '../base/index.ts'
import { isThere } from '../base/private-files.ts'
import { asRole, type Connection, connectionOf, createData, type Data, findPrimary } from '../data/index.ts'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'
import { startPostgres } from '../ops/rig/postgres.ts'
import { runningPostgres } from '../ops/rig/running.ts'
import { readSession } from '../ops/rig/session.ts'
import { assertTopology, type Topology } from '../topology/index.ts'
import { masterSecret, openDataDirectory } from './data-directory.ts'
import { databaseName, namesOf } from './embedded.ts'
import { assertStays, livesInCluster } from './moved.ts'
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
  const server = await attachServer(definition, topology)
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

/** The server under an application's data, as its superuser, or as whoever its URL names. */
export interface AttachedServer {
  readonly address: PostgresAddress
  /** The application's data directory. */
  readonly place: string
  /** What Postgres calls its data directory, where that is ours; undefined of a server elsewhere, and of a cluster. */
  readonly cluster: string | undefined
  /** The application's database there. */
  readonly database: string
  /** Whether the application itself is running; of a server elsewhere that is not known. */
  readonly isRunning: boolean
  close(): Promise<void>
}

/** As `attach`, for who looks after the server. Errors: `topology`, `secret`, `start`, `database-unavailable`. */
export async function attachServer(app: AppDefinition, topology: Topology<any>): Promise<AttachedServer> {
  const place = resolve((topology.stage === 'single' ? topology.data : topology.directory) ?? '.tenfold')
  if (topology.stage !== 'single') return await attachElsewhere(connectionOf(topology.data.primary, 'data.primary'), place)
  const directory = join(place, 'postgres')
  if (await livesInCluster(place)) return await attachCluster(place)
  await assertStays(place)
  await assertDatabase(place)
  const [cluster, database] = [join(directory, 'cluster'), databaseName(app)]
  const running = await runningPostgres(directory)
  if (running) return { address: running, place, cluster, database, isRunning: true, async close() {} }
  const { stop, ...address } = await startHere(place, directory)
  return { address, place, cluster, database, isRunning: false, close: stop }
}

/** Errors: `start`, where a data directory has no Postgres in it. */
export async function assertDatabase(place: string): Promise<void> {
  if (!await isThere(join(place, 'postgres', 'cluster', 'PG_VERSION'))) throw failed('start', `There is no database in ${place}: tenfold start makes it, and TENFOLD_DATA or the topology says where it is.`)
}

async function attachElsewhere(connection: Connection, place: string): Promise<AttachedServer> {
  const address = await findPrimary(connection, systemClock)
  return { address, place, cluster: undefined, database: address.database, isRunning: true, async close() {} }
}

/** That of `tenfold up --ha`, which only that process runs. */
async function attachCluster(place: string): Promise<AttachedServer> {
  const rig = join(place, 'rig')
  if (!await readSession(rig)) throw failed('start', `The cluster in ${rig} does not run: tenfold up --ha with its --stage brings it up.`)
  return await attachElsewhere(connectionOf(`file:${join(rig, 'secrets', 'primary')}`, 'the cluster'), place)
}

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
