import { hash } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { failed } from '../base/errors.ts'
import { removeDirectory } from '../base/private-files.ts'
import { processStamp, signalProcess } from '../base/process.ts'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'
import { endLeftover } from '../ops/rig/leftover.ts'
import { type PostgresServer, startPostgres } from '../ops/rig/postgres.ts'
import type { PostgresSettings } from '../ops/rig/settings.ts'
import { startStandby } from '../ops/rig/standby.ts'
import { isOursAlone } from '../ops/rig/unprivileged.ts'
import { copyTemplate, templateDirectory } from './server-template.ts'

/** A primary and a streaming standby of it, with an empty database `postgres`. As JSON it goes into `TENFOLD_TEST_SERVER`. */
export interface TestServer { readonly primary: PostgresAddress; readonly replica: PostgresAddress }

export interface TestServerOptions {
  /** Milliseconds by which the replica trails (150): what is read too early is then seen to be. */
  readonly applyDelayMs?: number
  /** False: it does not keep this process alive. */
  readonly keepsAlive?: boolean
}

const started = new Map<number, Promise<TestServer>>()

/**
 * The server for tests of this process, started when first asked for; or the one that the environment variable `TENFOLD_TEST_SERVER`
 * names, whatever its delay. It ends with this process, and does not keep it alive. Errors: `start`.
 */
export async function testServer(options: Pick<TestServerOptions, 'applyDelayMs'> = {}): Promise<TestServer> {
  const given = process.env['TENFOLD_TEST_SERVER']
  if (given) return readGiven(given)
  const applyDelayMs = options.applyDelayMs ?? 150
  const known = started.get(applyDelayMs)
  if (known) return await known
  const starting = startTestServer({ applyDelayMs, keepsAlive: false }).then(({ primary, replica }) => ({ primary, replica }))
  started.set(applyDelayMs, starting)
  starting.catch(() => started.delete(applyDelayMs))
  return await starting
}

function readGiven(text: string): TestServer {
  try {
    const { primary, replica } = JSON.parse(text) as TestServer
    if (primary.port && replica.port) return { primary, replica }
  } catch {}
  throw failed('start', 'TENFOLD_TEST_SERVER holds no test server: give it {"primary":{"host","port","user","password"},"replica":{...}} as JSON, or unset it.')
}

/** Standby and primary must agree on the limits among these. */
const settings: PostgresSettings = {
  shared_buffers: '64MB', max_connections: 300, max_worker_processes: 32, max_logical_replication_workers: 16, max_wal_senders: 32, max_replication_slots: 32,
}

/** Starts a test server of one's own. Nothing is left of it after `stop()`, nor after this process; a killed one's files are swept by the next. Errors: `start`. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer & { stop(): Promise<void> }> {
  const { applyDelayMs = 150, keepsAlive = true } = options
  const [template] = await Promise.all([templateDirectory(), sweep()])
  const root = await mkdtemp(join(tmpdir(), `tenfold-test-${process.pid}-${await stampOf(process.pid)}-`))
  const servers: PostgresServer[] = []
  const onExit = () => {
    for (const { pid } of servers) signalProcess(pid, 'SIGQUIT')
    removeNow(root)
  }
  process.once('exit', onExit)
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()))
    process.off('exit', onExit)
    await removeDirectory(root)
  }
  try {
    const directories = { primary: join(root, 'primary'), replica: join(root, 'replica') }
    await copyTemplate(template, Object.values(directories))
    await writeFile(join(directories.replica, 'cluster', 'standby.signal'), '')
    const common = { settings, durable: false, keepsAlive }
    const primary = await startPostgres({ ...common, directory: directories.primary })
    servers.push(primary)
    // a copy of what the primary was before its start, so all that came since is still in its log
    const replica = await startStandby({ ...common, primary, directory: directories.replica, slot: 'replica', applyDelayMs })
    servers.push(replica)
    return { primary: addressOf(primary), replica: addressOf(replica), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** While the servers are still ending, and remove files of their own: each that vanishes by itself ends the call, without an error. */
function removeNow(directory: string): void {
  for (let tries = 0; tries < 100 && existsSync(directory); tries += 1) {
    if (tries > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    try {
      rmSync(directory, { recursive: true, force: true })
    } catch {} // a file came meanwhile; what stays after all is swept by the next start
  }
}

function addressOf({ host, port, user, password }: PostgresServer): PostgresAddress {
  return { host, port, user, password }
}

/** In the name of a process's directory beside its number, which another process may get. */
async function stampOf(pid: number): Promise<string | undefined> {
  const stamp = await processStamp(pid)
  return stamp && hash('sha256', stamp).slice(0, 8)
}

/** Removes what killed processes left. What belongs to another user stays. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, pid, stamp] = /^tenfold-test-(\d+)-([0-9a-f]{8})-/.exec(name) ?? []
    if (!pid || await stampOf(Number(pid)) === stamp) continue
    const root = join(tmpdir(), name)
    if (!await isOursAlone(root).catch(() => false)) continue
    await Promise.all(['primary', 'replica'].map((part) => endLeftover(join(root, part, 'cluster')))).catch(() => {})
    await removeDirectory(root).catch(() => {})
  }
}
