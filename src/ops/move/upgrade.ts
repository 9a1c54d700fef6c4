import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type App, type AppDefinition, appDefinition } from '../../app/index.ts'
import { resolveKey, systemClock } from '../../base/index.ts'
import { isThere, syncDirectory } from '../../base/private-files.ts'
import { assertStays, databaseName, type DataDirectory, halfUpgraded, masterSecret, migrateOn, openDataDirectory, wholeCopyFile } from '../../runtime/index.ts'
import type { SingleTopology } from '../../topology/index.ts'
import { type Engine, engineOf, findEngine } from '../rig/binaries.ts'
import { keepPassword, openHome } from '../rig/cluster.ts'
import { launch, type PostgresServer, startPostgres } from '../rig/postgres.ts'
import { type Moved, moveRows, type MoveOptions } from './move.ts'
import { schemasOf } from './tables.ts'

export interface Upgraded extends Moved {
  readonly from: number
  readonly to: number
  /** Where the old cluster is now: nothing needs it any more. */
  readonly kept: string
  readonly downtimeMs: number
}

/**
 * A major upgrade of the embedded Postgres: the rows of the old cluster are copied into a new one beside it and verified, and then the two
 * change places. Killed at any moment, it goes on where it stood when it is run again. `bin`: the old version's programs; where Debian
 * keeps them unless told. Answers undefined when there is nothing to upgrade. Errors: `start`, `topology`, `migration`.
 */
export async function upgradePostgres(app: App<any, any, any>, topology: SingleTopology, { bin, status, onTable }: { bin?: string | undefined; status: (text: string) => void } & Pick<MoveOptions, 'onTable'>): Promise<Upgraded | undefined> {
  const began = systemClock.monotonic()
  const data = await openDataDirectory(resolve(topology.data ?? '.tenfold'))
  try {
    const half = await halfUpgraded(data.path) // by whichever version: it ends what that began
    if (half === undefined) await assertStays(data.path)
    const engine = await findEngine()
    const made = half ?? data.file(`postgres-${engine.major}`)
    const places = { old: data.file('postgres'), made, done: wholeCopyFile(made) }
    const from = await majorOf(places.old)
    if (from === engine.major || (from === undefined && !await isThere(places.done))) return undefined
    // A copy that was made and not taken: the old one may have been written to since.
    if (from !== undefined && await isThere(places.done)) await rm(places.made, { recursive: true, force: true })
    const moved = from === undefined ? await verified(places.done) : await copy(appDefinition(app), topology, data, { ...places, from, bin, status, onTable })
    const kept = data.file(`postgres-${moved.from}-${new Date(systemClock.now()).toISOString().slice(0, 19).replaceAll(':', '-')}`)
    if (from !== undefined) await rename(places.old, kept)
    await rename(places.made, places.old)
    await rm(wholeCopyFile(places.old))
    await syncDirectory(data.path)
    return { ...moved, to: await majorOf(places.old) ?? engine.major, kept, downtimeMs: Math.round(systemClock.monotonic() - began) }
  } finally {
    await data.release()
  }
}

type Copied = Moved & { readonly from: number }

async function copy(app: AppDefinition, topology: SingleTopology, data: DataDirectory, { old, made, done, from, bin, status, onTable }: { old: string; made: string; done: string; from: number; bin: string | undefined; status: (text: string) => void } & Pick<MoveOptions, 'onTable'>): Promise<Copied> {
  const secret = topology.secret ? resolveKey(topology.secret, 'secret') : await masterSecret(data)
  const source = await startOld(old, await engineOf(from, { bin }), status)
  try {
    const target = await startPostgres({ directory: made, onStatus: status })
    try {
      await migrateOn(target, { app, secret, status })
      const database = databaseName(app)
      const on = ({ host, port, user, password }: PostgresServer) => ({ host, port, user, password, database })
      const moved = await moveRows({ source: on(source), target: on(target), schemas: schemasOf(app), onTable, onVerified: (all) => writeFile(done, JSON.stringify({ ...all, from }), { flush: true }) })
      return { ...moved, from }
    } finally {
      await target.stop()
    }
  } finally {
    await source.stop()
  }
}

async function verified(file: string): Promise<Copied> { return JSON.parse(await readFile(file, 'utf8')) as Copied }

async function startOld(directory: string, engine: Engine, status: (text: string) => void): Promise<PostgresServer> {
  const home = { ...await openHome(directory), engine }
  try {
    return await launch(home, await keepPassword(home, undefined, { change: false }), { onStatus: status })
  } catch (error) {
    await home.release()
    throw error
  }
}

async function majorOf(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, 'cluster', 'PG_VERSION'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : Number.parseInt(text, 10)
}
