/** graphile-worker as its page "Performance" sets it: 24 at once, a local queue of 500, completions gathered. */
import { makeWorkerUtils, run } from 'graphile-worker'
import { contend } from '../contender.ts'
import { ownDatabase, withClient } from '../place.ts'
import { measureQueue } from '../queue.ts'

await contend(async (given) => {
  const place = await ownDatabase(given.postgres, 'graphile')
  const connectionString = `postgres://${place.user}:${encodeURIComponent(place.password)}@${place.host}:${place.port}/${place.database}`
  // Silent: a line for each job would be written, and ours writes none.
  const { Logger } = await import('graphile-worker')
  const logger = new Logger(() => () => {})
  const preset = { worker: { connectionString, concurrentJobs: 24, maxPoolSize: 25, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } }
  // As many connections to ask for jobs with as callers at once could use of a pool.
  const utils = await makeWorkerUtils({ preset: { worker: { ...preset.worker, maxPoolSize: 20 } }, logger })
  await utils.migrate()
  let listener: (n: number) => void = () => {}
  return {
    measure: measureQueue({
      onStarted(told) { listener = told },
      add: (n) => utils.addJob('nothing', { n }),
      async addMany(count) { for (let from = 0; from < count; from += 1000) await utils.addJobs(Array.from({ length: Math.min(1000, count - from) }, (_, index) => ({ identifier: 'nothing', payload: { n: from + index } }))) },
      async start() {
        const runner = await run({ preset, logger, noHandleSignals: true, taskList: { nothing: async (payload) => listener((payload as { n: number }).n) } })
        return () => runner.stop()
      },
      clear: () => withClient(place, (client) => client.query('truncate graphile_worker._private_jobs')),
    }),
    close: async () => { await utils.release() },
  }
})
