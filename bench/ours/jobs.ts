/** `tenfold/jobs`, the queue alone, as its guide sets it. */
import { createJobs } from '../../src/jobs/standalone.ts'
import { contend } from '../contender.ts'
import { ownDatabase, withClient } from '../place.ts'
import { measureQueue } from '../queue.ts'

await contend(async (given) => {
  const place = await ownDatabase(given.postgres, 'alone')
  let listener: (n: number) => void = () => {}
  const jobs = createJobs({
    database: `postgres://${place.user}:${encodeURIComponent(place.password)}@${place.host}:${place.port}/${place.database}`,
    jobs: { nothing: { timeout: '10s', tries: 3, run: async ({ n }: { n: number }) => listener(n) } },
  })
  await jobs.migrate()
  return {
    measure: measureQueue({
      onStarted(told) { listener = told },
      add: (n) => jobs.enqueue('nothing', { n }),
      async addMany(count) { for (let from = 0; from < count; from += 1000) await Promise.all(Array.from({ length: Math.min(1000, count - from) }, (_, index) => jobs.enqueue('nothing', { n: from + index }))) },
      async start() {
        jobs.start()
        return () => jobs.stop()
      },
      clear: () => withClient(place, (client) => client.query('truncate tenfold.runs')),
    }),
    close: () => jobs.close(),
  }
})
