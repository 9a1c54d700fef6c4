import { join } from 'node:path'
import type { AppDefinition } from '../../app/index.ts'
import { systemClock } from '../../base/index.ts'
import { isThere } from '../../base/private-files.ts'
import { type Connection, migrate } from '../../data/index.ts'
import { applicationRole, databaseName, type DataDirectory, migrateOn, noteMove } from '../../runtime/index.ts'
import { startPostgres } from '../rig/postgres.ts'
import { type Moved, moveRows } from './move.ts'
import { schemasOf } from './tables.ts'

/**
 * Moves stage 1's rows into a cluster that is new, verifies them, and leaves a note where they were. The application does not run. Answers
 * undefined where stage 1 has no database. Errors: `start`, `topology`, `migration`.
 */
export async function moveIntoCluster(app: AppDefinition, data: DataDirectory, cluster: Connection, secret: Uint8Array): Promise<Moved | undefined> {
  const directory = data.file('postgres')
  if (!await isThere(join(directory, 'cluster', 'PG_VERSION'))) return undefined
  const server = await startPostgres({ directory })
  try {
    const status = () => {}
    await migrateOn(server, { app, secret, status })
    await migrate({ admin: cluster, application: applicationRole(secret), modules: app.modules.values() })
    const { host, port, user, password } = server
    return await moveRows({
      source: { host, port, user, password, database: databaseName(app) }, target: cluster, schemas: schemasOf(app), onTable() {},
      onVerified: () => noteMove(data.path, { to: 'the cluster beside it', at: new Date(systemClock.now()).toISOString(), intoCluster: true }),
    })
  } finally {
    await server.stop()
  }
}
