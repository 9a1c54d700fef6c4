/** A small database whose log goes into a folder, by its archiver or by who receives it, for the tests of this folder. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { failed, systemClock, systemRandom } from '../../base/index.ts'
import { waitFor } from '../../base/process.ts'
import type { PostgresAddress } from '../rig/base-backup.ts'
import { type PostgresServer, startPostgres } from '../rig/postgres.ts'
import type { PostgresSettings } from '../rig/settings.ts'
import { type Archiver, createArchiver } from './archiver.ts'
import { createReceiver, type Receiver } from './receive.ts'
import { folderStore } from './drivers/folder.ts'
import type { BackupManifest } from './manifest.ts'
import { planRestore, readTarget } from './plan.ts'
import { recover } from './recover.ts'
import { adminSession, serverFacts } from './session.ts'
import type { BackupStore } from './store.ts'
import { takeBackup } from './take.ts'
import { walKey } from './wal.ts'

export const settings = { shared_buffers: '16MB', track_commit_timestamp: 'on' }

export interface Fixture {
  readonly parent: string
  readonly directory: string
  readonly server: PostgresServer
  readonly store: BackupStore
  readonly session: pg.Client
  readonly archiver: Pick<Archiver, 'state'>
  /** What it told. */
  readonly told: string[]
  receiver(more?: { store?: BackupStore; server?: () => Promise<PostgresAddress>; onHole?: () => void; loseAtMostMs?: number }): Receiver
  /** Ends all that were made so far. */
  stopReceiving(): Promise<void>
  readonly system: string
  /** One answer, as text. */
  ask(text: string, values?: unknown[]): Promise<string>
  /** By the server's clock, in microseconds, with its zone. */
  now(): Promise<string>
  backup(): Promise<BackupManifest>
  /** Closes the current segment, waits until the store has it, and answers its name. */
  archived(): Promise<string>
  /** Restores into a new directory and answers what `text` says there. */
  restored(to: string, text: string, more?: { timeline?: number; backupId?: string }): Promise<{ answer: string; lastCommitAt: string | undefined; timeline: number }>
  end(): Promise<void>
}

export async function startFixture(options: { store?: (parent: string) => BackupStore | Promise<BackupStore>; directory?: (parent: string) => string; receives?: boolean; settings?: PostgresSettings } = {}): Promise<Fixture> {
  const parent = await mkdtemp(join(tmpdir(), 'tenfold-backup-'))
  const directory = options.directory?.(parent) ?? join(parent, 'postgres')
  const server = await startPostgres({ directory, durable: false, settings: { ...settings, ...options.settings }, archive: options.receives ? 'off' : { timeoutSeconds: 60 } })
  const store = await options.store?.(parent) ?? folderStore(join(parent, 'store'))
  const session = await adminSession(server)
  const { system } = await serverFacts(session)
  const told: string[] = []
  const receivers: Receiver[] = []
  const receiver: Fixture['receiver'] = (more = {}) => {
    const made = createReceiver({ server: async () => server, slot: 'tenfold_log', store, loseAtMostMs: 60_000, clock: systemClock, random: systemRandom, onFault: (reason) => told.push(reason), onBegun() {}, onHole() {}, ...more })
    receivers.push(made)
    return made
  }
  const archiver = options.receives ? receiver() : createArchiver({ cluster: join(directory, 'cluster'), store, clock: systemClock, system: async () => system })
  const stopping = new AbortController()
  const archiving = (async () => {
    if (!('pass' in archiver)) return
    for (; !stopping.signal.aborted; await systemClock.sleep(20, stopping.signal)) await archiver.pass().catch(() => { /* told by its state */ })
  })()
  const first = async (client: pg.Client, text: string, values: unknown[] = []) => String((await client.query<unknown[]>(values.length > 0 ? { text, values, rowMode: 'array' } : { text, rowMode: 'array' })).rows?.[0]?.[0] ?? '')
  let restores = 0
  return {
    parent, directory, server, store, session, archiver, system, told, receiver,
    async stopReceiving() { await Promise.all(receivers.map((one) => one.stop())) },
    ask: (text, values) => first(session, text, values),
    now: () => first(session, `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`),
    backup: async () => await takeBackup({ server, store, random: systemRandom }) as BackupManifest,
    async archived() {
      const name = await first(session, `select pg_walfile_name(pg_logical_emit_message(true, 'test', 'more'))`)
      await session.query('select pg_switch_wal()')
      if (!await waitFor(async () => (await store.list(walKey(system, name))).length > 0 || undefined, { timeoutMs: 20_000 })) throw failed('backup', `${name} was not archived: ${archiver.state().fault}`)
      return name
    },
    async restored(to, text, more = {}) {
      const plan = await planRestore(store, { target: readTarget(to, systemClock.now()), ...more })
      const recovered = await recover({ plan, directory: join(parent, `restored-${restores += 1}`), durable: false })
      try {
        const client = await recovered.connect('postgres')
        const answer = await first(client, text)
        await client.end()
        return { answer, lastCommitAt: recovered.lastCommitAt, timeline: recovered.timeline }
      } finally {
        await recovered.close()
      }
    },
    async end() {
      await Promise.all(receivers.map((one) => one.stop()))
      await session.end()
      await server.stop()
      stopping.abort()
      await archiving
      await rm(parent, { recursive: true, force: true })
    },
  }
}
