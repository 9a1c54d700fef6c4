import { join, resolve } from 'node:path'
import { type App, type AppDefinition, appDefinition } from '../../app/index.ts'
import { failed, resolveKey, systemClock } from '../../base/index.ts'
import { signalProcess } from '../../base/process.ts'
import type { Connection } from '../../data/index.ts'
import { assertDatabase, assertStays, databaseName, directoryOwner, masterSecret, migrateServers, noteMove, openDataDirectory, reachServers } from '../../runtime/index.ts'
import type { SingleTopology, WiderTopology } from '../../topology/index.ts'
import { startPostgres } from '../rig/postgres.ts'
import { runningPostgres } from '../rig/running.ts'
import { openSession } from './copy.ts'
import { follow } from './follow.ts'
import { type Moved, moveRows, type MoveOptions } from './move.ts'
import { dropSlot } from './slot.ts'
import { schemasOf } from './tables.ts'

export interface Applied extends Moved {
  /** How long nobody could write: from when the application was seen to be gone, or was asked to go, until all of it was verified elsewhere, in milliseconds. */
  readonly downtimeMs: number
  readonly to: string
}

export interface ApplyOptions extends Pick<MoveOptions, 'onTable'> {
  readonly status: (text: string) => void
  /** Ask the application to leave (SIGTERM) once all is in step, rather than wait until somebody does. */
  readonly switchNow: boolean
  /** Aborted while the application runs: the copy stays, and an apply later goes on with it. */
  readonly signal: AbortSignal
}

/**
 * From stage 1 to servers: moves an embedded database to the primary that `to` names, verifies it, and leaves a note where it was, so
 * that nobody goes on there by mistake. While the application runs the copy follows it; when it has left, what is still missing is
 * brought over. Killed, it goes on where it stood. The servers' secret is stage 1's own, or nobody stays signed in.
 * Answers undefined when `signal` was aborted. Errors: `topology`, `start`, `secret`, `migration`.
 */
export async function applyTopology(app: App<any, any, any>, from: SingleTopology, to: WiderTopology<any>, { status, onTable, switchNow, signal }: ApplyOptions): Promise<Applied | undefined> {
  const definition = appDefinition(app)
  const secret = resolveKey(to.secret, 'secret')
  const place = resolve(from.data ?? '.tenfold')
  await assertStays(place)
  await assertDatabase(place)
  await assertSameSecret(from, place, secret)
  const servers = await reachServers(definition, to, secret)
  await migrateServers(definition, servers, secret, { status })
  const settled = new Map<string, number>()
  const move = { target: servers.admin, schemas: schemasOf(definition), onTable, settled }
  let goneAt: number | undefined
  for (let source = await untilFree(place, signal); source !== 'free'; source = await untilFree(place, signal)) {
    if (source === 'aborted') return undefined
    const { ownerPid, ...server } = source
    goneAt = undefined
    await follow({
      ...move, status, signal, source: { ...server, database: databaseName(definition) },
      onInStep() {
        status(switchNow ? `all is there, verified, and follows: the application (pid ${ownerPid}) is asked to leave` : `all is there, verified, and follows: stop the application (pid ${ownerPid}) when it suits you, and the rest is brought over`)
        if (!switchNow) return
        goneAt = systemClock.monotonic()
        signalProcess(ownerPid, 'SIGTERM')
      },
    })
    goneAt ??= systemClock.monotonic()
  }
  goneAt ??= systemClock.monotonic()
  const directory = await openDataDirectory(place)
  try {
    await assertStays(directory.path)
    const server = await startPostgres({ directory: directory.file('postgres'), onStatus: status })
    try {
      const where = `${servers.admin.host}:${servers.admin.port}/${servers.admin.database}`
      const moved = await moveRows({
        ...move, source: connectionTo(server, definition),
        onVerified: () => noteMove(directory.path, { to: where, at: new Date(systemClock.now()).toISOString() }),
      })
      return { ...moved, to: where, downtimeMs: Math.round(systemClock.monotonic() - goneAt) }
    } finally {
      await server.stop()
    }
  } finally {
    await directory.release()
  }
}

/** Gives a move up: the embedded database keeps nothing for it any more. Errors: `start`. */
export async function abandonMove(app: App<any, any, any>, from: SingleTopology): Promise<void> {
  const place = resolve(from.data ?? '.tenfold')
  await assertDatabase(place)
  const source = await untilFree(place, new AbortController().signal)
  const drop = async (server: Omit<Connection, 'database'>) => {
    const client = await openSession(connectionTo(server, appDefinition(app)))
    await dropSlot(client).finally(() => client.end())
  }
  if (typeof source === 'object') return await drop(source)
  const directory = await openDataDirectory(place)
  try {
    const server = await startPostgres({ directory: directory.file('postgres') })
    await drop(server).finally(() => server.stop())
  } finally {
    await directory.release()
  }
}

function connectionTo({ host, port, user, password }: Omit<Connection, 'database'>, app: AppDefinition): Connection { return { host, port, user, password, database: databaseName(app) } }

async function assertSameSecret(from: SingleTopology, place: string, secret: Buffer): Promise<void> {
  const own = from.secret ? resolveKey(from.secret, 'secret') : await masterSecret(place)
  if (!own.equals(secret)) throw failed('topology', `The topology's secret is another than that of ${place}: give it what ${join(place, 'secret')} holds (xxd -p -c 64 prints it), or everybody is signed out and no idempotency key is known.`)
}

/** How long a process may hold the directory without a Postgres that takes connections, as while it starts and while it leaves, in milliseconds. */
const betweenMs = 60_000

/** Waits until the application's Postgres takes connections, or the application is gone. Errors: `start`. */
async function untilFree(place: string, signal: AbortSignal): Promise<'free' | 'aborted' | (Omit<Connection, 'database'> & { readonly ownerPid: number })> {
  for (const until = systemClock.monotonic() + betweenMs; ;) {
    if (signal.aborted) return 'aborted'
    const ownerPid = await directoryOwner(place)
    if (ownerPid === undefined) return 'free'
    const server = await runningPostgres(join(place, 'postgres'))
    if (server) return { ...server, ownerPid }
    if (systemClock.monotonic() > until) throw failed('start', `The process ${ownerPid} uses ${place}, and no Postgres runs there: stop it, and run this again.`)
    await systemClock.sleep(50, signal)
  }
}
