import type { FastifyInstance } from 'fastify'
import { reasonOf } from '../base/index.ts'
import type { Platform } from '../calls/index.ts'
import { bareServer } from './server.ts'

/** How one thing that the process needs is doing. Only what is `required` makes the process unready. */
export interface Check { readonly name: string; readonly required: boolean; run(): Promise<{ ok: boolean; detail?: string }> }

const checkMs = 2_000

/** The ops port, for machines and for those on call: alive, ready, metrics, and what the team mounts. Never the public's. */
export async function createOpsServer(platform: Platform, checks: readonly Check[], draining: () => boolean): Promise<FastifyInstance> {
  const server = bareServer(platform, { bodyBytesMax: 1024 ** 2 }, 'on this port are /healthz, /readyz, /metrics, and what the application mounts')
  server.get('/healthz', async () => ({ status: 'alive' }))
  server.get('/readyz', async (_request, reply) => {
    const results = await Promise.all(checks.map(async (check) => [check.name, { required: check.required, ...await outcome(platform, check) }] as const))
    const ready = !draining() && results.every(([, { ok, required }]) => ok || !required)
    return reply.code(ready ? 200 : 503).send({ status: draining() ? 'draining' : ready ? 'ready' : 'not ready', checks: Object.fromEntries(results) })
  })
  server.get('/metrics', async (_request, reply) => reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').send(platform.metrics.text()))
  if (platform.app.mount.ops) await server.register(platform.app.mount.ops)
  return server
}

async function outcome(platform: Platform, check: Check): Promise<{ ok: boolean; detail?: string }> {
  const done = new AbortController()
  try {
    return await Promise.race([check.run(), platform.clock.sleep(checkMs, done.signal).then(() => ({ ok: false, detail: `did not answer in ${checkMs} ms` }))])
  } catch (error) {
    return { ok: false, detail: reasonOf(error) }
  } finally {
    done.abort()
  }
}
