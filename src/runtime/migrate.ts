import { resolve } from 'node:path'
import { type App, appDefinition } from '../app/index.ts'
import { resolveKey } from '../base/index.ts'
import type { AppliedFile } from '../data/index.ts'
import { startPostgres } from '../ops/rig/postgres.ts'
import { assertTopology, type Topology } from '../topology/index.ts'
import { masterSecret, openDataDirectory } from './data-directory.ts'
import { migrateOn } from './embedded.ts'
import { assertStays } from './moved.ts'
import { migrateServers, reachServers } from './servers.ts'

/** Migrates the application's database, and starts nothing else. Errors: `topology`, `start`, `migration`. */
export async function migrateApplication(app: App<any, any, any>, topology: Topology<any>, options: { dryRun: boolean; status: (text: string) => void }): Promise<AppliedFile[]> {
  const definition = appDefinition(app)
  assertTopology(definition, topology)
  if (topology.stage !== 'single') {
    const key = resolveKey(topology.secret, 'secret')
    return await migrateServers(definition, await reachServers(definition, topology, key), key, options)
  }
  const directory = await openDataDirectory(resolve(topology.data ?? '.tenfold'))
  try {
    await assertStays(directory.path)
    const server = await startPostgres({ directory: directory.file('postgres'), onStatus: options.status })
    try {
      return await migrateOn(server, { app: definition, secret: topology.secret ? resolveKey(topology.secret, 'secret') : await masterSecret(directory.path), status: options.status }, { dryRun: options.dryRun })
    } finally {
      await server.stop()
    }
  } finally {
    await directory.release()
  }
}
