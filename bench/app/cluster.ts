/** A primary and copies of it, with the measured application on them: what `tenfold up` makes, in this process. */
import { join } from 'node:path'
import type { Engine } from '../../src/runtime/index.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { startStandby } from '../../src/ops/rig/standby.ts'
import type { Given } from '../contender.ts'
import { seed } from '../place.ts'
import { startEngine } from './engine.ts'

export interface Cluster { readonly engine: Engine; close(): Promise<void> }

export async function startCluster(given: Given, replicas: number): Promise<Cluster> {
  const settings = { shared_buffers: '128MB' }
  const primary = await startPostgres({ directory: join(given.directory, 'primary'), settings })
  const copies = await Promise.all(Array.from({ length: replicas }, (_, index) => startStandby({ directory: join(given.directory, `replica-${index}`), primary, slot: `replica_${index}`, settings })))
  const engine = await startEngine({ ...given, postgres: { ...primary, database: 'postgres' } }, copies)
  await seed({ ...primary, database: 'bench' }, 'catalogue.products')
  const [database] = engine.platform.data.databases
  // As the running process does it: where each replica stands, ten times a second.
  const watching = setInterval(() => { void database?.watch() }, 100)
  await database?.watch()
  return {
    engine,
    async close() {
      clearInterval(watching)
      await engine.close()
      await Promise.all([...copies, primary].map((server) => server.stop()))
    },
  }
}
