import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type App, type AppDefinition, appDefinition } from '../app/index.ts'
import { type Clock, failed, resolveKey, systemClock } from '../base/index.ts'
import { type Connection, createData, type Data } from '../data/index.ts'
import { startPostgres } from '../ops/rig/postgres.ts'
import { runningPostgres } from '../ops/rig/running.ts'
import type { Topology } from '../topology/index.ts'
import { masterSecret, openDataDirectory } from './data-directory.ts'
import { namesOf } from './embedded.ts'
import { reachServers } from './servers.ts'

/** An application's data, for who looks after it from a terminal. */
export interface Attached {
  readonly app: AppDefinition
  readonly data: Data
  /** The same database, as who may do everything there. */
  readonly admin: Connection
  readonly clock: Clock
  /** Whether the application itself is running. */
  readonly isRunning: boolean
  close(): Promise<void>
}

/** Reaches the data of an application whether it runs (beside it) or not (its Postgres is then started for as long). Errors: `topology`, `start`. */
export async function attach(app: App<any, any, any>, topology: Topology<any>): Promise<Attached> {
  const definition = appDefinition(app)
  if (topology.stage !== 'single') {
    const { admin, data: config } = await reachServers(definition, topology, resolveKey(topology.secret, 'secret'))
    const data = createData({ ...config, pool: { max: 4, waitMs: 5_000 } }, systemClock)
    return { app: definition, data, admin, clock: systemClock, isRunning: true, close: () => data.close() } // whether it runs is not to be seen from here
  }
  const place = resolve(topology.data ?? '.tenfold')
  const directory = join(place, 'postgres')
  await access(join(directory, 'cluster', 'PG_VERSION')).catch((cause: unknown) => { throw failed('start', `There is no database in ${place}: tenfold start makes it, and TENFOLD_DATA or the topology says where it is.`, { cause }) })
  const secret = topology.secret ? resolveKey(topology.secret, 'secret') : await masterSecret(place)
  const { name, application } = namesOf(definition, secret)
  const running = await runningPostgres(directory)
  const { host, port, user, password, stop } = running ? { ...running, stop: async () => {} } : await startHere(place, directory)
  const data = createData({ databases: [{ name, primary: { host, port, ...application, database: name }, replicas: [] }], pool: { max: 4, waitMs: 5_000 } }, systemClock)
  return {
    app: definition, data, admin: { host, port, user, password, database: name }, clock: systemClock, isRunning: running !== undefined,
    async close() {
      await data.close()
      await stop()
    },
  }
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
