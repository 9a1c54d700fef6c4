/** The application over HTTP, on a primary and a replica: what it costs that callers see their own writes. */
import type { AddressInfo } from 'node:net'
import { startCluster } from '../app/cluster.ts'
import { contend } from '../contender.ts'

await contend(async (given) => {
  const { engine, close } = await startCluster(given, 1)
  await engine.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = engine.server.server.address() as AddressInfo
  return { about: { url: `http://127.0.0.1:${port}` }, close }
})
