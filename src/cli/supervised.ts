import { flushCompileCache } from 'node:module'
import { failed } from '../base/index.ts'
import { mayBeAlive } from '../base/process.ts'
import type { PostgresAddress } from '../runtime/index.ts'

/** What `tenfold dev` and the application that it runs say to each other. */
export type FromApplication = { /** Null: its topology names servers, and it needs no other. */ readonly hold: string | null } | { readonly ready: true }
export type ToApplication = { readonly begin: true } | { readonly address: PostgresAddress | null } | { readonly fault: string }

/** Names the process that supervises, so that none other is taken for it. */
export const supervisorVariable = 'TENFOLD_SUPERVISOR'

/** The `tenfold dev` that runs this process. */
export interface Supervisor {
  /** Resolves when the sources are to be loaded. */
  readonly begun: Promise<void>
  /** Has the data directory held, and answers where its Postgres is; nothing, where none is asked for. The application that ran before has left by then. */
  hold(directory: string | undefined): Promise<PostgresAddress | undefined>
  ready(): void
  /** Runs `leave` when it is gone. */
  onGone(leave: () => void): void
  /** Nothing more is said or heard: else the channel would keep the process alive. */
  close(): void
}

const gone = 'The tenfold dev that ran this application is gone.'
let known: Supervisor | undefined

export function supervisorOf(): Supervisor | undefined {
  return known ??= connected()
}

function connected(): Supervisor | undefined {
  const named = Number(process.env[supervisorVariable])
  if (!process.send || !(named > 0)) return undefined
  // An application may run others, which find the variable too; but where nobody is behind it, ours has gone while we began.
  if (named !== process.ppid && mayBeAlive(named)) return undefined
  if (named !== process.ppid) throw failed('start', gone)
  const say = (message: FromApplication) => { if (process.connected) process.send?.(message, undefined, undefined, () => { /* it is gone, which is heard elsewhere */ }) }
  const { promise: answered, resolve, reject } = Promise.withResolvers<PostgresAddress | undefined>()
  answered.catch(() => { /* told to who asked */ })
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  process.on('message', (message: ToApplication) => {
    if ('begin' in message) begin()
    else if ('address' in message) resolve(message.address ?? undefined)
    else reject(failed('start', message.fault))
  })
  process.once('disconnect', () => reject(failed('start', gone)))
  return {
    begun,
    hold(directory) { say({ hold: directory ?? null }); return answered },
    ready() {
      flushCompileCache() // for the next one: Node itself writes it down when a process ends
      say({ ready: true })
    },
    onGone: (leave) => { process.once('disconnect', leave) },
    close() {
      process.removeAllListeners('disconnect')
      if (process.connected) process.disconnect()
    },
  }
}
