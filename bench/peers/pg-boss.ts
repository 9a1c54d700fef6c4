/** pg-boss batched: 500 at a time, fetched on while batches are full, woken by NOTIFY, two workers, as its pages "Workers" and "Queues" offer. */
import { PgBoss } from 'pg-boss'
import { contend } from '../contender.ts'
import { ownDatabase } from '../place.ts'
import { measureQueue } from '../queue.ts'

const queue = 'nothing'

await contend(async (given) => {
  const place = await ownDatabase(given.postgres, 'pg_boss')
  const boss = new PgBoss({ ...place, max: 20, useListenNotify: true })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  await boss.createQueue(queue, { notify: true })
  let listener: (n: number) => void = () => {}
  return {
    measure: measureQueue({
      onStarted(told) { listener = told },
      add: (n) => boss.send(queue, { n }),
      async addMany(count) { for (let from = 0; from < count; from += 1000) await boss.insert(queue, Array.from({ length: Math.min(1000, count - from) }, (_, index) => ({ data: { n: from + index } }))) },
      async start() {
        await boss.work<{ n: number }>(queue, { batchSize: 500, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, localConcurrency: 2 }, async (jobs) => { for (const job of jobs) listener(job.data.n) })
        return () => boss.offWork(queue)
      },
      clear: () => boss.deleteAllJobs(queue),
    }),
    close: () => boss.stop({ graceful: false }),
  }
})
