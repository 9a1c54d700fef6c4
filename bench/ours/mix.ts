/** Twenty reads to a write, by callers that see their own writes: on the primary alone, or with replicas. */
import { randomUUID } from 'node:crypto'
import { Positions } from '../../src/base/index.ts'
import { byIdAsHandler } from '../app/app.ts'
import { startCluster } from '../app/cluster.ts'
import { callOn } from '../app/engine.ts'
import { place } from '../app/orders.ts'
import { contend, rate } from '../contender.ts'
import { productCount, productId } from '../place.ts'

const [callers, readsToWrite] = [32, 20]
const lines = [{ productId: productId(1), quantity: 1, price: 255 }]

await contend(async (given) => {
  const { engine, close } = await startCluster(given, Number(given.options['replicas']))
  const served = (by: string) => [...engine.platform.metrics.text().matchAll(new RegExp(`tenfold_replica_reads_total\\{[^}]*served_by="${by}"[^}]*\\} (\\d+)`, 'g'))].reduce((sum, [, count]) => sum + Number(count), 0)
  const work = async (seconds: number) => {
    const sessions = Array.from({ length: callers }, () => ({ positions: new Positions(), turn: 0 }))
    return rate(seconds, callers, async () => {
      const session = sessions.pop() as typeof sessions[number] // each of so many at once has one
      const { positions } = session
      if (session.turn++ % (readsToWrite + 1) === 0) await callOn(engine, place, { customerId: randomUUID(), lines }, { key: randomUUID(), positions })
      else await callOn(engine, byIdAsHandler, { id: productId(Math.floor(Math.random() * productCount)) }, { positions })
      sessions.push(session)
    })
  }
  return {
    close,
    async measure(what, seconds) {
      const before = [served('replica'), served('primary')] as const
      const figure = await work(seconds)
      if (what === 'mix') return figure
      const [replica, primary] = [served('replica') - before[0], served('primary') - before[1]]
      return 100 * replica / Math.max(1, replica + primary)
    },
  }
})
