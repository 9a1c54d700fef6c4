import type { AppDefinition } from '../app/index.ts'
import { deriveKey, failed, systemClock } from '../base/index.ts'
import { type AppliedFile, type DatabaseConfig, migrate, type MigrateOptions } from '../data/index.ts'
import type { Logs } from '../observe/index.ts'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'
import type { PostgresOptions, PostgresServer } from '../ops/rig/postgres.ts'
import { startPostgres } from '../ops/rig/postgres.ts'
import { dropStaleSlots } from '../ops/rig/slots.ts'
import { keepRolePassword } from './application-role.ts'

export interface Embedded {
  readonly config: DatabaseConfig
  /** As its superuser. */
  readonly address: PostgresAddress
  /** Resolves, with what to say, when the server is gone and could not be brought back. */
  readonly lost: Promise<Error>
  stop(): Promise<void>
}

/** A server that ends by itself more often than this in a minute is not brought back. */
const restartsMax = 5

/** Stage 1's database: an embedded Postgres, migrated, and started again when it dies; or one that another process keeps. */
export async function startEmbedded(options: { app: AppDefinition; directory: string; secret: Uint8Array; logs: Logs; status: (text: string) => void; held?: PostgresAddress | undefined; archive?: PostgresOptions['archive']; signal?: AbortSignal }): Promise<Embedded> {
  const { app, secret, signal } = options
  const server = options.held ? keptElsewhere(options.held) : await keepPostgres(options)
  const { name, application } = namesOf(app, secret)
  try {
    signal?.throwIfAborted()
    await migrateOn(server.address, options, { starting: true })
    if (!options.held) await keepRolePassword(server.address, name, application)
    if (!options.held) await dropStaleSlots(server.address, options.directory, [])
    signal?.throwIfAborted()
  } catch (error) {
    await server.stop()
    throw error
  }
  server.guard()
  return { config: { name, primary: { host: server.address.host, port: server.address.port, ...application, database: name }, replicas: [] }, address: server.address, lost: server.lost, stop: server.stop }
}

export interface KeptPostgres {
  readonly address: PostgresAddress
  /** From now on it is started again when it dies. */
  guard(): void
  readonly lost: Embedded['lost']
  stop(): Promise<void>
}

/** Starts Postgres on that directory; guarded, it is started again at the same address, until it dies too often. */
export async function keepPostgres({ directory, logs, status, archive }: { directory: string; logs: Logs; status: (text: string) => void; archive?: PostgresOptions['archive'] }): Promise<KeptPostgres> {
  let server = await startPostgres({ directory, archive, onStatus: status })
  const { host, port, user, password } = server
  let stopping = false
  let restarting: Promise<unknown> | undefined
  const { promise: lost, resolve: giveUp } = Promise.withResolvers<Error>()
  const watch = async (current: PostgresServer, earlier: number): Promise<void> => {
    const since = systemClock.monotonic()
    const { expected, log } = await current.exited
    if (expected || stopping) return
    logs.error('Postgres ended by itself and is started again', { log })
    const restarts = systemClock.monotonic() - since > 60_000 ? 0 : earlier
    if (restarts >= restartsMax) return giveUp(failed('start', `Postgres ended ${restarts + 1} times by itself. Its last words: ${log}`))
    try {
      const started = startPostgres({ directory, port })
      restarting = started.catch(() => { /* told below */ })
      server = await started
      void watch(server, restarts + 1)
    } catch (error) {
      giveUp(error as Error)
    }
  }
  const stop = async () => {
    stopping = true
    await restarting // one that is just coming back is stopped too, before anybody takes the directory for free
    await server.stop()
  }
  return { address: { host, port, user, password }, lost, guard: () => { void watch(server, 0) }, stop }
}

function keptElsewhere(address: PostgresAddress): KeptPostgres {
  return { address, lost: new Promise(() => {}), guard() {}, async stop() {} }
}

/** The role that the application runs as. */
export function applicationRole(secret: Uint8Array) { return { user: 'tenfold_app', password: deriveKey(secret, 'database role').toString('hex') } }

/** What the application's database is called where we make it. */
export function databaseName(app: AppDefinition): string { return app.name.replaceAll(/\W+/g, '_').toLowerCase() }

/** The embedded database's name, and that role. */
export function namesOf(app: AppDefinition, secret: Uint8Array) {
  return { name: databaseName(app), application: applicationRole(secret) }
}

export function migrateOn(server: PostgresAddress, { app, secret, status }: { app: AppDefinition; secret: Uint8Array; status: (text: string) => void }, how: Pick<MigrateOptions, 'dryRun' | 'starting'> = {}): Promise<AppliedFile[]> {
  const { name, application } = namesOf(app, secret)
  const admin = { host: server.host, port: server.port, user: server.user, password: server.password, database: name }
  return migrate({ admin, create: true, ...how, application, modules: app.modules.values(), onFile: ({ module, file }) => status(`migrating ${module}/${file}`), onStatus: status })
}
