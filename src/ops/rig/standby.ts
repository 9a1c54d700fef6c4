import { hash } from 'node:crypto'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { fileFault, removeDirectory, replaceFile } from '../../base/private-files.ts'
import { runCommand } from '../../base/process.ts'
import { copyCluster, ensureSlot, keepsLogFor, type PostgresAddress, replicationSession } from './base-backup.ts'
import { fillCluster, hasCluster, type Home, isStandby, keepPassword, openHome } from './cluster.ts'
import { launch, type LaunchOptions, type PostgresServer } from './postgres.ts'
import { connectionInfo, type PostgresSettings } from './settings.ts'

export interface StandbyOptions extends LaunchOptions {
  /** Its user may replicate, and has the same password on the standby, which is a copy. */
  readonly primary: PostgresAddress
  readonly directory: string
  /** Milliseconds that a change waits, after its commit on the primary, before it shows here. Undefined: none. */
  readonly applyDelayMs?: number | undefined
  /** By which the primary knows this standby: letters, digits, `_`. Undefined: one made from the directory. */
  readonly slot?: string | undefined
  /** A standby for which the primary keeps no log any more would never catch up: it is thrown away, and copied again. */
  readonly copiesAnew?: boolean
}

interface CloneOptions extends Pick<StandbyOptions, 'primary' | 'directory' | 'slot' | 'durable' | 'onStatus'> {
  /** Told to leave, the copy breaks off, and nothing of it stays. */
  readonly signal?: AbortSignal | undefined
}

/** Copies a running primary into a directory without a database. Its writers write on meanwhile. Errors: `start`, as of `startPostgres`, and no such primary. */
export async function cloneAsStandby(options: CloneOptions): Promise<void> {
  await inHome(options.directory, async (home) => {
    if (await hasCluster(home)) throw failed('start', `${home.directory} holds a database already: delete it, or clone into another directory.`)
    await clone(home, options)
    await home.release()
  })
}

/**
 * Starts a standby, and clones the primary first when there is no database. Answers when it takes readers, which may be before it has caught up.
 * Errors: `start`, as of `startPostgres`, and: no primary to clone; the directory's database was never a standby, or is one no longer.
 */
export async function startStandby(options: StandbyOptions): Promise<PostgresServer> {
  const { primary, applyDelayMs } = options
  return await inHome(options.directory, async (home) => {
    const slot = slotOf(home, options)
    if (options.copiesAnew && await hasCluster(home) && await isStandby(home) && await isLeftBehind(primary, slot)) {
      options.onStatus?.(`The primary keeps no log for ${slot} any more: it is copied again`)
      await removeDirectory(home.cluster)
    }
    if (!await hasCluster(home)) await clone(home, options)
    else if (await isStandby(home)) await ensureSlotOn(primary, slot, options.onStatus)
    else throw failed('start', `The database in ${home.directory} is not a standby, or was promoted: delete it to have it cloned again, or start it as a primary.`)
    const password = await keepPassword(home, primary.password, { change: false })
    const { host, port, user } = primary
    const settings: PostgresSettings = {
      primary_conninfo: connectionInfo({ host, port, user, password: primary.password, application_name: slot }),
      primary_slot_name: slot,
      hot_standby_feedback: 'on', // no reader here is cancelled by the primary's vacuum
      wal_retrieve_retry_interval: '200ms', // the usual 5 s would be the time to failover
      wal_receiver_status_interval: '1s',
      ...applyDelayMs === undefined ? {} : { recovery_min_apply_delay: `${Math.round(applyDelayMs)}ms` },
      ...options.settings,
    }
    return await launch(home, password, { ...options, settings })
  })
}

async function inHome<T>(directory: string, work: (home: Home) => Promise<T>): Promise<T> {
  const home = await openHome(directory)
  try {
    return await work(home)
  } catch (error) {
    await home.release()
    throw fileFault(error, home.directory)
  }
}

async function clone(home: Home, { primary, slot, durable, onStatus, signal }: CloneOptions): Promise<void> {
  onStatus?.(`Copying the database at ${primary.host}:${primary.port} to ${home.directory}`)
  const session = await replicationSession(primary)
  const cut = () => { void session.end() }
  signal?.addEventListener('abort', cut)
  try {
    signal?.throwIfAborted()
    await ensureSlot(session, slotOf(home, { slot }))
    await fillCluster(home, async (draft) => {
      await copyCluster(session, draft, home.user)
      await replaceFile(join(draft, 'standby.signal'), '', { owner: home.user })
      if (durable ?? true) await runCommand('sync', process.platform === 'linux' ? ['-f', draft] : [])
    })
  } finally {
    signal?.removeEventListener('abort', cut)
    await session.end()
  }
}

/** A standby answers its readers without its primary too: it will find its way back when that one does. */
async function ensureSlotOn(primary: PostgresAddress, slot: string, onStatus: LaunchOptions['onStatus']): Promise<void> {
  try {
    const session = await replicationSession(primary)
    await ensureSlot(session, slot).finally(() => session.end())
  } catch (error) {
    onStatus?.(`The standby starts without its primary. ${(error as Error).message}`)
  }
}

/** Where the primary cannot be asked, nobody knows: it is then left as it is. */
async function isLeftBehind(primary: PostgresAddress, slot: string): Promise<boolean> {
  const session = await replicationSession(primary).catch(() => undefined)
  return session !== undefined && await keepsLogFor(session, slot).then((kept) => !kept, () => false).finally(() => session.end())
}

function slotOf(home: Home, { slot }: { slot?: string | undefined }): string {
  return slot ?? `standby_${hash('sha256', home.directory).slice(0, 16)}`
}
