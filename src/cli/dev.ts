import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { dirname, relative } from 'node:path'
import { failed, reasonOf, systemClock } from '../base/index.ts'
import { type Held, holdDatabase } from '../runtime/index.ts'
import type { LoneCommand } from './command.ts'
import { type FromApplication, supervisorVariable, type ToApplication } from './supervised.ts'
import { typeFaults } from './types.ts'
import { watchSources } from './watch.ts'

/**
 * This process holds the data directory and its Postgres, and stays; the application is another's, `tenfold start`, and goes at every
 * change. The next one stands by already, with all of tenfold loaded and nothing of the application: that takes longer than all else. At a
 * change it loads the sources while the one before it still answers, and then asks for the database: only now is the one before told
 * to leave. So a restart takes little longer than what comes after loading, and sources that cannot be loaded leave running what ran.
 */
export const devCommand: LoneCommand = {
  help: `tenfold dev: runs the application as tenfold start does, and starts it again at every change of a .ts or .sql file below the folder of
tenfold.config.ts. The database stays. What cannot be loaded, and what the compiler says of the types, is told; what ran goes on
meanwhile. Takes what tenfold start takes. Ctrl-C ends it, and leaves nothing running.
`,
  passesOn: true,
  async runAlone({ configPath, topologyPath, rest }) {
    if (topologyPath !== undefined) throw failed('usage', 'tenfold dev runs the topology of tenfold.config.ts: leave --topology out, or use tenfold --topology FILE start.')
    if (!existsSync(configPath)) throw failed('usage', `There is no ${configPath}: run tenfold where your tenfold.config.ts is, or name it with --config.`)
    const folder = dirname(await realpath(configPath))
    const development = develop(folder, ['--config', relative(process.cwd(), configPath), 'start', ...rest])
    const stopWatching = watchSources(folder, development.changed)
    say(`watching ${folder}; Ctrl-C ends it`)
    process.on('SIGINT', development.interrupt)
    process.on('SIGTERM', development.interrupt)
    try {
      await development.ended
      return 0
    } finally {
      stopWatching()
      await development.close()
      process.off('SIGINT', development.interrupt)
      process.off('SIGTERM', development.interrupt)
    }
  },
}

/** An editor that saves several files is one change, in milliseconds. */
const quietMs = 30
/** How long an application may take to leave at a change: ending it the hard way loses nothing that was acknowledged. At the end it may take longer. */
const leaveMs = 500
const lastLeaveMs = 30_000
/** npm passes on the Ctrl-C that the terminal has sent already. */
const echoMs = 1_000

const say = (text: string) => process.stderr.write(`  ${text}\n`)

interface Application { readonly process: ChildProcess; readonly ended: Promise<string>; /** It was told to leave. */ leaves: boolean }

interface Development {
  changed(file: string): void
  interrupt(): void
  /** Resolves when it was interrupted; rejects when the database is lost. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

function develop(folder: string, args: readonly string[]): Development {
  const types = typeTeller(folder)
  const { promise: ended, resolve: end, reject } = Promise.withResolvers<void>()
  const database = holder(reject)
  /** The one that has the database, the one that is loading its sources, and the one that waits for a change. */
  let [current, coming, next]: [Application | undefined, Application | undefined, Application | undefined] = [undefined, undefined, undefined]
  let cancel = () => {}
  let changedAt: number | undefined
  let interruptedAt: number | undefined

  const hear = async (application: Application, message: FromApplication) => {
    if ('ready' in message) {
      if (changedAt !== undefined) say(`answers ${Math.round(systemClock.monotonic() - changedAt)} ms after the change`)
      if (interruptedAt === undefined) standBy()
      return types.tell()
    }
    let answer: ToApplication
    try {
      if (current) await leave(current, leaveMs)
      if (application !== coming) return
      answer = { address: (await database.hold(message.hold))?.address ?? null }
    } catch (error) {
      answer = { fault: reasonOf(error) }
    }
    if (application !== coming) return // there was another change meanwhile
    ;[current, coming] = [application, undefined]
    tell(application, answer)
  }
  const standBy = (): Application => {
    if (next) return next
    const application = next = launch(args, (message) => { void hear(application, message) })
    void application.ended.then((how) => {
      const mine = application === current ? 'current' : application === coming ? 'coming' : undefined
      ;[current, coming, next] = [current, coming, next].map((one) => one === application ? undefined : one)
      if (mine === undefined || application.leaves || interruptedAt !== undefined) return
      say(`${how}: waiting for the next change${mine === 'coming' && current ? ', and what ran before goes on' : ''}`)
      standBy()
      void types.tell()
    })
    return application
  }
  const start = () => {
    coming?.process.kill('SIGKILL') // it has nothing yet
    ;[coming, next] = [standBy(), undefined]
    tell(coming, { begin: true })
  }
  start()
  return {
    ended,
    changed(file) {
      changedAt = systemClock.monotonic()
      cancel()
      types.interrupt()
      cancel = systemClock.after(quietMs, () => { say(`${file} has changed`); start() }, true)
    },
    interrupt() {
      if (interruptedAt !== undefined && systemClock.monotonic() - interruptedAt > echoMs) return void current?.process.kill('SIGKILL')
      interruptedAt ??= systemClock.monotonic()
      end()
    },
    async close() {
      interruptedAt ??= systemClock.monotonic()
      cancel()
      types.interrupt()
      await Promise.all([coming, next].map((idle) => { idle?.process.kill('SIGKILL'); return idle?.ended }))
      if (current) await leave(current, lastLeaveMs)
      await database.close()
    },
  }
}

/** The application's own process. It is told whose it is. */
function launch(args: readonly string[], heard: (message: FromApplication) => void): Application {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] as string, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [supervisorVariable]: String(process.pid) },
  })
  child.on('message', heard)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`it could not be started (${error.message})`))
    child.once('exit', (code, signal) => resolve(signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`))
  })
  return { process: child, ended, leaves: false }
}

function tell(application: Application, message: ToApplication): void {
  application.process.send(message, () => { /* gone: its end is told */ })
}

async function leave(application: Application, withinMs: number): Promise<void> {
  const { process: child, ended } = application
  application.leaves = true
  child.kill('SIGTERM')
  const cancel = systemClock.after(withinMs, () => child.kill('SIGKILL'), true)
  await ended
  cancel()
}

/** The data directory that the configuration names, with its Postgres: the same until the configuration names another, or servers elsewhere. */
function holder(lost: (error: Error) => void) {
  let known: { place: string; held: Promise<Held> } | undefined
  const close = async () => {
    const held = await known?.held.catch(() => undefined)
    known = undefined
    await held?.close()
  }
  return {
    close,
    async hold(place: string | null): Promise<Held | undefined> {
      if (known?.place !== place) await close()
      if (place === null) return undefined
      if (known) return known.held
      const attempt = known = { place, held: holdDatabase(place, say) }
      attempt.held.then((held) => held.lost.then(lost), () => { if (known === attempt) known = undefined })
      return attempt.held
    },
  }
}

/** Tells what the compiler says, after the application has started or failed to, so that it holds up neither. */
function typeTeller(folder: string) {
  let controller = new AbortController()
  let told = 0
  return {
    interrupt() { controller.abort() },
    async tell() {
      controller.abort()
      controller = new AbortController()
      const faults = await typeFaults(folder, controller.signal)
      if (!faults) return
      for (const line of faults) say(line)
      if (faults.length === 0 && told > 0) say('the types are right again')
      told = faults.length
    },
  }
}
