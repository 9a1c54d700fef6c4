import type { Check } from '../http/index.ts'
import { depth } from '../jobs/index.ts'
import type { Engine } from './engine.ts'

/** What a request would need, tried out: each database, written to and read; the queue's depth; each dependency's breaker. */
export function readinessChecks({ platform }: Engine): Check[] {
  const { data, clock, dependencies } = platform
  return [
    ...data.databases.flatMap((database): Check[] => [
      { name: `database ${database.name}`, required: true, run: async () => {
        await data.execute(database, { name: 'tenfold_ready', text: 'select 1' })
        await database.primary.lane.run({ name: 'tenfold_ready', text: 'select 1' })
        return { ok: true }
      } },
      { name: `queue ${database.name}`, required: false, run: async () => {
        const { due, oldestSeconds } = await depth(data, database, clock.now())
        return { ok: oldestSeconds < 60, detail: `${due} due, the oldest for ${Math.round(oldestSeconds)} s` }
      } },
      // The primary serves in its place.
      ...database.replicas.map((replica): Check => ({ name: replica.name, required: false, run: async () => ({ ok: replica.outage() === undefined, detail: replica.outage() ?? `${Math.round(replica.lagMs())} ms behind` }) })),
    ]),
    // A dependency that is down has its fallback: it is told here, and makes nothing unready.
    ...[...dependencies].map(([name, { guards }]): Check => ({ name: `dependency ${name}`, required: false, run: async () => ({ ok: guards.state() !== 'open', detail: guards.state() }) })),
  ]
}
