/** The application as its owner runs it: `run(app, topology)` with its embedded Postgres, limits, logs and metrics on. */
import { join } from 'node:path'
import { run } from '../../src/index.ts'
import type { SingleTopology } from '../../src/topology/topology.ts'
import { app } from '../app/app.ts'
import { contend, type Given } from '../contender.ts'

/** What is on while it observes, and what is left when all of it that can be is off. Metrics cannot be switched off. */
function observability(given: Given): { topology: Partial<SingleTopology>; logLevel: 'info' | 'silent' } {
  if (given.options['observe'] === 'off') return { topology: {}, logLevel: 'silent' }
  return { topology: tracing(given.sink), logLevel: 'info' }
}

/** TRACING GOES HERE: 10 % sampled, to that sink, once the topology can say so (`tracing: { sample: 0.1, otlp: sink }`). */
function tracing(_sink: string): Partial<SingleTopology> { return {} }

await contend(async (given) => {
  const { topology, logLevel } = observability(given)
  const directory = join(given.directory, 'data')
  // The limit counts every request, and is never reached: all of them come from one address.
  const running = await run(app, { stage: 'single', data: directory, ports: { web: 0, ops: 0 }, rateLimit: { perAddress: '1000000000/min' }, ...topology }, { logLevel })
  return { about: { url: running.urls.web, data: directory }, close: () => running.stop() }
})
