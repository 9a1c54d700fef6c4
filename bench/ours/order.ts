import { randomUUID } from 'node:crypto'
import { callOn, startEngine } from '../app/engine.ts'
import { place } from '../app/orders.ts'
import { contend, rate } from '../contender.ts'
import { productId } from '../place.ts'

const lines = [1, 2, 3].map((index) => ({ productId: productId(index), quantity: index, price: 255 }))

await contend(async (given) => {
  const engine = await startEngine(given)
  return {
    measure: (_what, seconds) => rate(seconds, 32, () => callOn(engine, place, { customerId: randomUUID(), lines }, { key: randomUUID() })),
    close: () => engine.close(),
  }
})
