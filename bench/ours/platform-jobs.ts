import { randomUUID } from 'node:crypto'
import { callOn, startEngine } from '../app/engine.ts'
import { enqueue, onStarted } from '../app/orders.ts'
import { contend } from '../contender.ts'
import { startBackground } from '../../src/runtime/background.ts'
import { type Place, withClient } from '../place.ts'
import { measureQueue } from '../queue.ts'

await contend(async (given) => {
  const engine = await startEngine(given)
  const customerId = randomUUID()
  return {
    measure: measureQueue({
      onStarted,
      add: (n) => callOn(engine, enqueue, { customerId, from: n, to: n + 1 }),
      async addMany(count) { for (let from = 0; from < count; from += 1000) await callOn(engine, enqueue, { customerId, from, to: Math.min(count, from + 1000) }) },
      async start() {
        const background = startBackground(engine)
        return () => background.stop()
      },
      clear: () => withClient({ ...given.postgres as Place, database: 'bench' }, (client) => client.query('truncate tenfold.runs')),
    }),
    close: () => engine.close(),
  }
})
