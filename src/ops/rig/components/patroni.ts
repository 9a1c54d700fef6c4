import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { systemClock } from '../../../base/clock.ts'
import { failed } from '../../../base/errors.ts'
import { removeDirectory, replaceFile } from '../../../base/private-files.ts'
import { waitFor } from '../../../base/process.ts'
import type { Component, ComponentPlace, RunningComponent } from '../component.ts'
import { findFullPostgres } from '../full-postgres.ts'
import { homeOf } from '../home.ts'
import { clusterName, endBefore } from '../leftover.ts'
import { agree, isSettled, leaseHolder, memberNow } from '../patroni-rest.ts'
import { programs, requireProgram } from '../programs.ts'
import { type Supervised, supervise } from '../supervise.ts'
import { nameFor, ordinaryUser } from '../unprivileged.ts'
import { agreedSettings, type ClusterPasswords, clusterSettings, dataName, memberSettings, restUser } from './patroni-settings.ts'

export interface MemberOptions {
  /** The component where the members agree on who leads. */
  readonly coordinator: string
  readonly database: string
  /** The same for all members, at every start. */
  readonly passwords: () => Promise<ClusterPasswords>
  /** By which the cluster's log is received; undefined: it is not. */
  readonly logSlot?: string | undefined
}

/** A first start clones a whole database; how long it may take to leave; how often it is asked what it is now. In milliseconds. */
const [readyMs, leaveMs, askMs] = [10 * 60_000, 20_000, 500]

/**
 * A member of a cluster: Patroni, and the Postgres that it runs as the primary or as a replica, as the members agree. The two live and
 * die together. A Postgres without its Patroni would not hear that it was deposed, so when Patroni dies its Postgres is ended at once, by the
 * watcher that outlives us (`supervise`): what a watchdog does on a machine of its own.
 */
export function memberComponent(name: string, options: MemberOptions): Component {
  let isBack = false
  return {
    name, role: 'replica', needs: [options.coordinator],
    async check() { await requireProgram(programs.patroni); await findFullPostgres() },
    async prepare(place) { await homeOf(place.directory, ordinaryUser()) },
    async start(place) {
      const { scope, file, pidFile, postgresPid } = memberFiles(place.directory)
      await endMemberBefore(place.directory)
      if (isBack) await untilLeaseIsOver(place, { name, scope, etcd: place.addressOf(options.coordinator) })
      isBack = true
      place.signal.throwIfAborted()
      const postgres = await findFullPostgres(await madeBy(place.directory))
      const [port, restPort, passwords] = [await place.port(), await place.port('rest'), await options.passwords()]
      const settings = memberSettings({ scope, name, etcd: place.addressOf(options.coordinator), port, restPort, postgres, database: options.database, passwords, logSlot: options.logSlot })
      await replaceFile(file, `${JSON.stringify(settings, null, 2)}\n`, { owner: ordinaryUser() })
      const patroni = await launch(place, basename(file), scope)
      await replaceFile(pidFile, `${patroni.pid}\n`)
      const running = runningMember(patroni, { port, postgresPid, scope })
      await untilSettled(running, place, { name, restPort, password: passwords.rest, agreed: agreedSettings(options.logSlot) })
      const member = { ...running, role: (await memberNow(restPort))?.role ?? 'replica' }
      void watch(member, { name, scope, restPort, etcd: place.addressOf(options.coordinator), fence: () => patroni.signal('SIGKILL') }, place)
      return member
    },
    async destroy(directory) {
      await endMemberBefore(directory)
      await removeDirectory(directory)
    },
  }
}

/**
 * A primary that died and is back before its lease is over would lead again, after repairing itself, or hand over, as it happens. It
 * waits until the lease is over, and somebody who did not die takes over. Nobody does when there is nobody: then it goes on itself.
 */
async function untilLeaseIsOver(place: ComponentPlace, { name, scope, etcd }: { name: string; scope: string; etcd: string }): Promise<void> {
  const isOver = async () => { const holder = await leaseHolder(etcd, scope); return holder !== undefined && holder !== name }
  await waitFor(async () => place.signal.aborted || await isOver() || undefined, { timeoutMs: 2_000 * clusterSettings.ttl, everyMs: 100 })
}

function memberFiles(directory: string) {
  const scope = clusterName(dirname(directory)) // the rig's: all members have it
  return { scope, file: join(directory, `${scope}-${basename(directory)}.json`), pidFile: join(directory, 'pid'), postgresPid: join(directory, dataName, 'postmaster.pid') }
}

/** Ends what a killed rig left there. Errors: `start`. */
async function endMemberBefore(directory: string): Promise<void> {
  const { scope, file, pidFile, postgresPid } = memberFiles(directory)
  await endBefore(pidFile, basename(file), leaveMs)
  await endBefore(postgresPid, scope, leaveMs)
}

/** The version of the Postgres that made what is there. */
async function madeBy(directory: string): Promise<number | undefined> {
  return await readFile(join(directory, dataName, 'PG_VERSION'), 'utf8').then(Number, () => undefined)
}

/**
 * Patroni and all that it runs call its directory by a full path, and work elsewhere. Where their user has no way there, the way leads by
 * an open descriptor of Patroni's: its number is that of the shell that it takes the place of.
 */
async function launch(place: ComponentPlace, file: string, scope: string): Promise<Supervised> {
  const [program, user] = [await requireProgram(programs.patroni), ordinaryUser()]
  const isReached = await nameFor(user, place.directory) === place.directory
  const script = `${isReached ? 'home=$PWD' : 'exec 9<.; cd /; home=/proc/$$/fd/9'}
export PATRONI_POSTGRESQL_DATA_DIR="$home/${dataName}" PATRONI_POSTGRESQL_PGPASS="$home/pgpass"
exec "$1" "$home/$2"`
  return supervise('/bin/sh', ['-c', script, 'patroni', program, file], { directory: place.directory, user, lastSignal: 'TERM', leaves: { pidFile: `${dataName}/postmaster.pid`, mark: scope }, onOutput: withoutHeartbeats(place.log) })
}

function runningMember(patroni: Supervised, { port, postgresPid, scope }: { port: number; postgresPid: string; scope: string }): RunningComponent {
  const ended = patroni.ended.then(async ({ log }) => {
    await endBefore(postgresPid, scope, leaveMs)
    return log
  })
  return {
    address: `127.0.0.1:${port}`, pid: patroni.pid as number, ended,
    async stop() {
      patroni.signal('SIGTERM')
      const insist = systemClock.after(leaveMs, () => patroni.signal('SIGKILL'), true)
      await ended
      insist()
    },
  }
}

/**
 * Until it is part of a whole cluster whose members agree on what we say: whoever changed that, such as that they are synchronous, changed
 * it until now. Errors: `start`; it is then not running.
 */
async function untilSettled(running: RunningComponent, place: ComponentPlace, { name, restPort, password, agreed }: { name: string; restPort: number; password: string; agreed: object }): Promise<void> {
  let [gone, isAgreed]: [string | undefined, boolean] = [undefined, false]
  const isWhole = async () => (isAgreed ||= await agree(restPort, agreed, { user: restUser, password })) && await isSettled(restPort, name)
  void running.ended.then((log) => { gone = log })
  const settled = await waitFor(async () => gone !== undefined || place.signal.aborted || await isWhole() || undefined, { timeoutMs: readyMs, everyMs: 100 })
  if (gone === undefined && !place.signal.aborted && settled) return
  await running.stop()
  throw failed('start', place.signal.aborted ? `${name} was told to leave before it was ready.` : gone === undefined ? `${name} was not part of a whole cluster in ${readyMs / 60_000} minutes: see its log by tenfold logs ${name}.` : `${name} did not start (${lastError(gone)}): see its log by tenfold logs ${name}.`)
}

/** What Postgres says of itself tells more than that Patroni found it gone. */
function lastError(log: string): string {
  const lines = log.split('\n')
  const line = lines.findLast((one) => /\] FATAL: /.test(one) && !/starting up|administrator command/.test(one)) ?? lines.findLast((one) => /FATAL|ERROR|CRITICAL|Error/.test(one))
  const why = line && lines[lines.indexOf(line) - 1]
  return line === undefined ? 'it ended' : [...why && /\] LOG: {2}could not/.test(why) ? [why] : [], line].map((one) => one.replace(/^.*?(FATAL|ERROR|CRITICAL|LOG):? +/, '')).join('; ')
}

interface Watched { readonly name: string; readonly scope: string; readonly restPort: number; readonly etcd: string; readonly fence: () => void }

/**
 * Says what it is, as that changes, until it ends. A primary whose Patroni hung until its lease was over must not go on where it stood: one
 * that wakes in the midst of renewing the lease takes it from who leads by then (3.0.2 does), and what that one acknowledged would be lost.
 */
async function watch({ ended, role: first }: RunningComponent, { name, scope, restPort, etcd, fence }: Watched, place: ComponentPlace): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, place.signal])
  void ended.then(() => over.abort())
  let role = first
  while (!signal.aborted) {
    await systemClock.sleep(askMs, signal)
    const now = await memberNow(restPort)
    if (now && !signal.aborted) place.now({ role: role = now.role, state: now.isRunning ? 'ready' : 'restarting' })
    if (now || role !== 'primary' || signal.aborted) continue
    const holder = await leaseHolder(etcd, scope)
    if (holder !== undefined && holder !== name) fence()
  }
}

/** Once a second each member says that nothing happened. */
function withoutHeartbeats(log: (text: string) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    const kept = lines.filter((line) => !/INFO: (no action\. I am|Lock owner:|bootstrap in progress|waiting for leader to bootstrap)/.test(line))
    if (kept.length > 0) log(`${kept.join('\n')}\n`)
  }
}
