import { randomUUID } from 'node:crypto'
import { callOn, startEngine } from '../app/engine.ts'
import { tokens } from '../app/kit.ts'
import { contend, nanoseconds } from '../contender.ts'

await contend(async (given) => {
  const engine = await startEngine(given)
  const { authenticator } = engine
  if (!authenticator) throw new Error('The application has no authenticator.')
  const { accessToken } = await callOn(engine, tokens.issue, { id: randomUUID() })
  const header = `Bearer ${accessToken}`
  return { measure: async (_what, seconds) => await nanoseconds(seconds, () => authenticator.verify(header)) / 1000, close: () => engine.close() }
})
