/** The application as its owner runs it: `run(app, topology)` with its embedded Postgres, limits, logs and metrics on. */
import { join } from 'node:path'
import { run } from '../../src/index.ts'
import type { SingleTopology } from '../../src/topology/topology.ts'
import { app } from '../app/app.ts'
import { contend, type Given } from '../contender.ts'

/** What is on while it observes (a tenth of all requests is told to the sink), and what is left when all that can be switched off is. Metrics cannot. */
function observability({ options, sink }: Given): { topology: Partial<SingleTopology>; logLevel: 'info' | 'silent' } {
  return options['observe'] === 'off' ? { topology: {}, logLevel: 'silent' } : { topology: { tracing: { endpoint: sink, share: 0.1 } }, logLevel: 'info' }
}

await contend(async (given) => {
  const { topology, logLevel } = observability(given)
  const directory = join(given.directory, 'data')
  // The limit counts every request, and is never reached: all of them come from one address.
  const running = await run(app, { stage: 'single', data: directory, ports: { web: 0, ops: 0 }, rateLimit: { perAddress: '1000000000/min' }, ...topology }, { logLevel })
  return { about: { url: running.urls.web, data: directory }, close: () => running.stop() }
})
