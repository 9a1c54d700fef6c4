import { hostname } from 'node:os'
import type { AppDefinition } from '../app/index.ts'
import { fingerprint, isTenfoldError, reasonOf } from '../base/index.ts'
import type { Platform } from '../calls/index.ts'
import { beatEveryMs, builtWith, leaveVersions, registerVersion } from '../data/index.ts'
import { startLoop } from '../resilience/index.ts'

/** This process, as migrations know of it: while it runs, nothing that it uses is taken away. */
export interface Announced {
  /** Resolves, with what to say, when a contract step has left this version behind: it was silent for too long. */
  readonly outdated: Promise<Error>
  stop(): Promise<void>
}

/** Once the database is migrated, and before anything is served. Errors: `migration`, where this version is older than its database. */
export async function announceVersion(app: AppDefinition, { data, clock, random, logs }: Platform): Promise<Announced> {
  const files = await builtWith(app.modules.values())
  const about = { process: random.hex(16), version: fingerprint(files), host: hostname(), pid: process.pid, files }
  const { promise: outdated, resolve } = Promise.withResolvers<Error>()
  const each = (work: (client: { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> }) => Promise<void>) =>
    Promise.all(data.databases.map((database) => work({ query: async (text, values = []) => ({ rows: await data.execute(database, { text, values }) }) })))
  const beat = () => each((client) => registerVersion(client, about))
  await beat()
  const loop = startLoop(clock, random, beatEveryMs, async () => {
    await beat().catch((error: unknown) => {
      if (!isTenfoldError(error, 'migration')) throw error
      resolve(error)
    })
    return false
  }, (error) => logs.error('telling which version runs failed, and will be tried again', { reason: reasonOf(error) }))
  return {
    outdated,
    async stop() {
      await loop.stop()
      await each((client) => leaveVersions(client, about.process)).catch(() => { /* its silence says so, in half a minute */ })
    },
  }
}
