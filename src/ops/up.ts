import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type App, appDefinition } from '../app/index.ts'
import { systemClock } from '../base/index.ts'
import { replaceFile } from '../base/private-files.ts'
import { connectionOf, findPrimary } from '../data/index.ts'
import { createLogs, createMetrics } from '../observe/index.ts'
import { applicationRole, assertStays, type Backups, databaseName, type DataDirectory, masterSecret, openDataDirectory, prepareBackups, prepareServerBackups } from '../runtime/index.ts'
import { assertTopology, type Topology } from '../topology/index.ts'
import { slotName } from './backup/index.ts'
import { assertNothingForgotten } from './highly-available.ts'
import { moveIntoCluster } from './move/into-cluster.ts'
import type { Moved } from './move/move.ts'
import { applicationComponent } from './rig/components/application.ts'
import type { ComponentStatus } from './rig/keeper.ts'
import { createRig, type Rig } from './rig/rig.ts'
import { openSession, readSession } from './rig/session.ts'
import { enginesOf } from './stages.ts'

export interface UpOptions {
  readonly app: App<any, any, any>
  readonly topology: Topology<any>
  readonly stage: number
  /** The database survives its primary: a cluster of its own. */
  readonly highlyAvailable: boolean
  /** A command that runs the application with the topology of that file. */
  readonly command: (topologyFile: string) => readonly [string, ...string[]]
  readonly onChange: (status: readonly ComponentStatus[]) => void
  /** Aborted: it goes no further, and leaves nothing running. */
  readonly signal: AbortSignal
}

/** Where an application's rig keeps what it needs, beside what stage 1 keeps. */
export function rigDirectory(topology: Topology<any>): string { return join(dataDirectory(topology), 'rig') }

/** The topology with which an application's stage is up on this machine; undefined where none is. */
export async function topologyThatIsUp(topology: Topology<any>): Promise<Topology | undefined> {
  const directory = rigDirectory(topology)
  if (!await readSession(directory)) return undefined
  const text = await readFile(topologyFile(directory), 'utf8').catch(() => undefined) // it has only just begun
  return text === undefined ? undefined : JSON.parse(text) as Topology
}

function topologyFile(rig: string): string { return join(rig, 'topology.json') }

/** Where the application of a rig answers. */
export function portsOf({ ports = { web: 3000, ops: 3001 } }: Topology<any>): { readonly web: number; readonly ops: number } { return ports }

function dataDirectory(topology: Topology<any>): string { return resolve((topology.stage === 'single' ? topology.data : topology.directory) ?? '.tenfold') }

/**
 * Brings an application's stage up on this machine, with real engines. Answers the rig, ready; or the number of the process that has it
 * up already. Errors: `usage`, `start`, and what the application says when it cannot start.
 */
export async function bringUp({ app, topology, stage, highlyAvailable, command, onChange, signal }: UpOptions): Promise<{ readonly rig: Rig; /** What stage 1 had, where it was moved into a cluster that is new. */ readonly moved: Moved | undefined; down(): Promise<void> } | { readonly ownerPid: number }> {
  const place = dataDirectory(topology)
  const directory = join(place, 'rig')
  const definition = appDefinition(app)
  assertTopology(definition, topology)
  const ports = portsOf(topology)
  const other = await readSession(directory)
  if (other) return other
  let isUp = false
  let moved: Moved | undefined
  const closing: (() => Promise<void>)[] = []
  const down = async () => { for (const close of closing.splice(0).toReversed()) await close() }
  try {
    const data = await openDataDirectory(place)
    closing.push(() => data.release())
    const session = await openSession(directory)
    if ('ownerPid' in session) { await down(); return session }
    closing.push(() => session.release())
    await assertStays(data.path, { inCluster: highlyAvailable })
    await assertNothingForgotten({ highlyAvailable, postgresDirectory: data.file('postgres'), rigDirectory: directory })
    const secret = await masterSecret(data)
    const backups = await backupsOf(topology, highlyAvailable, data, databaseName(definition))
    if (backups) closing.push(() => backups.close()) // after the server, which hands over the end of its log when it leaves
    const engines = enginesOf({ archive: backups?.archive ?? 'off', logSlot: backups && slotName(databaseName(definition)), stage, topology, highlyAvailable, rigDirectory: directory, database: databaseName(definition), postgresDirectory: data.file('postgres'), role: applicationRole(secret), directory: data.path })
    const secretsDirectory = join(directory, 'secrets')
    const application = applicationComponent('application', {
      needs: engines.components.map(({ name }) => name), command: command(topologyFile(directory)), cwd: process.cwd(), ports,
      async prepare(addressOf) {
        await mkdir(secretsDirectory, { recursive: true, mode: 0o700 })
        const secrets = await engines.secrets(addressOf)
        if (await engines.areNew?.()) moved = await moveIntoCluster(definition, data, await findPrimary(connectionOf(secrets['primary'] ?? '', 'the cluster'), systemClock), secret)
        await engines.keep?.()
        for (const [name, value] of Object.entries({ secret: secret.toString('hex'), ...secrets })) await replaceFile(join(secretsDirectory, name), `${value}\n`)
        await replaceFile(topologyFile(directory), `${JSON.stringify(engines.topology((name) => `file:${join(secretsDirectory, name)}`), null, 2)}\n`)
      },
    })
    await engines.prepare?.()
    const rig = await createRig(directory, [...engines.components, application], (status) => { session.say({ stage, highlyAvailable, ports, components: status }); onChange(status) })
    closing.push(() => rig.down())
    signal.addEventListener('abort', () => { if (!isUp) void rig.down() })
    await rig.up()
    isUp = true
    if (backups) closing.push(await backups.begin(engines.backedUp(), createMetrics()), () => rig.stop(application.name)) // what it commits last is stored, too
    signal.throwIfAborted()
    return { rig, moved, down }
  } catch (error) {
    await down()
    throw error
  }
}

/** Made by this process, which outlives the application. A trial of servers elsewhere on this machine does not write into their store. Errors: `usage`, `secret`. */
async function backupsOf(topology: Topology<any>, highlyAvailable: boolean, data: DataDirectory, database: string): Promise<Backups | undefined> {
  if (topology.stage !== 'single' || !topology.backup) return undefined
  const logs = createLogs({ level: 'warn' })
  return await (highlyAvailable ? prepareServerBackups(topology.backup, data, logs, database) : prepareBackups(topology.backup, data, logs))
}
