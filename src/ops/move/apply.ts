import { join, resolve } from 'node:path'
import { type App, appDefinition } from '../../app/index.ts'
import { failed, resolveKey, systemClock } from '../../base/index.ts'
import { createFile } from '../../base/private-files.ts'
import { snakeName } from '../../data/index.ts'
import { assertStays, databaseName, masterSecret, migrateServers, movedFile, openDataDirectory, reachServers } from '../../runtime/index.ts'
import type { SingleTopology, WiderTopology } from '../../topology/index.ts'
import { startPostgres } from '../rig/postgres.ts'
import { type Moved, moveRows, type MoveOptions } from './move.ts'

export interface Applied extends Moved {
  /** From when the embedded database was taken from the application until all of it was verified elsewhere, in milliseconds. */
  readonly downtimeMs: number
  readonly to: string
}

/**
 * From stage 1 to servers: moves an embedded database to the primary that `to` names, verifies it, and leaves a note where it was, so
 * that nobody goes on there by mistake. The application does not run meanwhile. Killed, it goes on where it stood. The servers' secret is
 * stage 1's own, or nobody stays signed in. Errors: `topology`, `start`, `secret`, `migration`.
 */
export async function applyTopology(app: App<any, any, any>, from: SingleTopology, to: WiderTopology<any>, { status, onTable }: { status: (text: string) => void } & Pick<MoveOptions, 'onTable'>): Promise<Applied> {
  const definition = appDefinition(app)
  const secret = resolveKey(to.secret, 'secret')
  const began = systemClock.monotonic()
  const directory = await openDataDirectory(resolve(from.data ?? '.tenfold'))
  try {
    await assertStays(directory.path)
    if (!(from.secret ? resolveKey(from.secret, 'secret') : await masterSecret(directory)).equals(secret)) throw failed('topology', `The topology's secret is another than that of ${directory.path}: give it what ${join(directory.path, 'secret')} holds (xxd -p -c 64 prints it), or everybody is signed out and no idempotency key is known.`)
    const server = await startPostgres({ directory: directory.file('postgres'), onStatus: status })
    try {
      const servers = await reachServers(definition, to, secret)
      await migrateServers(definition, servers, secret, { status })
      const source = { host: server.host, port: server.port, user: server.user, password: server.password, database: databaseName(definition) }
      const where = `${servers.admin.host}:${servers.admin.port}/${servers.admin.database}`
      const moved = await moveRows({
        source, target: servers.admin, schemas: ['tenfold', ...[...definition.modules.values()].map(({ name }) => snakeName(name))], onTable,
        async onVerified() { await createFile(movedFile(directory.path), `${JSON.stringify({ to: where, at: new Date(systemClock.now()).toISOString() })}\n`) },
      })
      return { ...moved, to: where, downtimeMs: Math.round(systemClock.monotonic() - began) }
    } finally {
      await server.stop()
    }
  } finally {
    await directory.release()
  }
}
