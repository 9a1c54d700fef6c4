import { reasonOf } from '../base/index.ts'
import { enqueueScheduled } from '../jobs/index.ts'
import { relay } from '../events/index.ts'
import { type Loop, startLoop } from '../resilience/index.ts'
import type { Engine } from './engine.ts'
import { sweep } from './sweep.ts'

/** How often each looks by itself; what this process commits wakes it at once. In milliseconds. */
const everyMs = { watch: 100, relay: 200, work: 200, schedule: 1_000, revoked: 500, sweep: 600_000 }

/** The loops of a process: where replicas stand, events to subscribers, jobs, schedules, revoked tokens, and what has expired. */
export function startBackground(engine: Engine): { stop(): Promise<void> } {
  const { platform, worker } = engine
  const { data, clock, random, logs } = platform
  const jobs = [...platform.app.modules.values()].flatMap((module) => [...module.jobs.values()])
  const loop = (name: string, ms: number, pass: () => Promise<boolean>) => startLoop(clock, random, ms, pass, (error) => logs.error(`${name} failed and will try again`, { reason: reasonOf(error) }))
  const relays = data.databases.map((database) => loop('the relay', everyMs.relay, () => relay(engine.relay, database)))
  const workers = data.databases.map((database) => loop('the worker', everyMs.work, () => worker.pass(database)))
  const others: Loop[] = [
    ...data.databases.filter(({ isWatched }) => isWatched).map((database) => loop('watching the servers', everyMs.watch, async () => { await database.watch(); return false })),
    loop('the schedule', everyMs.schedule, () => enqueueScheduled(data, clock, jobs)),
    loop('the sweep', everyMs.sweep, () => sweep(engine)),
    ...(engine.authenticator ? [loop('reading revoked tokens', everyMs.revoked, async () => { await engine.authenticator?.refreshRevoked(); return false })] : []),
  ]
  worker.onRoom = (database) => { workers[data.databases.indexOf(database)]?.wake() }
  engine.onCommit = ({ events, jobs: enqueued }) => {
    if (events) for (const one of relays) one.wake()
    if (enqueued) for (const one of workers) one.wake()
  }
  return {
    async stop() {
      engine.onCommit = () => {}
      worker.onRoom = () => {}
      await Promise.all([...relays, ...workers, ...others].map((one) => one.stop()))
      await worker.stop()
    },
  }
}
