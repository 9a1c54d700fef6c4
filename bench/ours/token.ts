import { randomUUID } from 'node:crypto'
import { callOn, startEngine } from '../app/engine.ts'
import { tokens } from '../app/kit.ts'
import { contend, nanoseconds } from '../contender.ts'

await contend(async (given) => {
  const engine = await startEngine(given)
  const { authenticator } = engine
  if (!authenticator) throw new Error('The application has no authenticator.')
  const known = await Promise.all(Array.from({ length: 500 }, async () => `Bearer ${(await callOn(engine, tokens.issue, { id: randomUUID() })).accessToken}`))
  for (const header of known) await authenticator.verify(header)
  // Each request brings its header as a string of its own: equal, and not the same.
  const asked = known.map((header) => Buffer.from(header).toString())
  return { measure: async (_what, seconds) => await nanoseconds(seconds, (round) => authenticator.verify(asked[round % asked.length])) / 1000, close: () => engine.close() }
})
