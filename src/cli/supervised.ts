import { flushCompileCache } from 'node:module'
import { failed } from '../base/index.ts'
import type { PostgresAddress } from '../runtime/index.ts'

/** What `tenfold dev` and the application that it runs say to each other. */
export type FromApplication = { readonly hold: string } | { readonly ready: true }
export type ToApplication = { readonly address: PostgresAddress } | { readonly fault: string }

/** Names the process that supervises, so that none other is taken for it. */
export const supervisorVariable = 'TENFOLD_SUPERVISOR'

/** The `tenfold dev` that runs this process. */
export interface Supervisor {
  /** Has the data directory held, and answers where its Postgres is; the application that ran before has left by then. */
  hold(directory: string): Promise<PostgresAddress>
  ready(): void
  /** Runs `leave` when it is gone. */
  onGone(leave: () => void): void
  /** Nothing more is said or heard: else the channel would keep the process alive. */
  close(): void
}

export function supervisorOf(): Supervisor | undefined {
  if (!process.send || process.env[supervisorVariable] !== String(process.ppid)) return undefined
  const say = (message: FromApplication) => { if (process.connected) process.send?.(message, undefined, undefined, () => { /* it is gone, which is heard elsewhere */ }) }
  const { promise: answered, resolve, reject } = Promise.withResolvers<PostgresAddress>()
  answered.catch(() => { /* told to who asked */ })
  process.once('message', (answer: ToApplication) => 'address' in answer ? resolve(answer.address) : reject(failed('start', answer.fault)))
  process.once('disconnect', () => reject(failed('start', 'The tenfold dev that ran this application is gone.')))
  return {
    hold(directory) { say({ hold: directory }); return answered },
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
