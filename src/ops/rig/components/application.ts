import { mkdir } from 'node:fs/promises'
import { failed } from '../../../base/errors.ts'
import { removeDirectory } from '../../../base/private-files.ts'
import { waitFor } from '../../../base/process.ts'
import type { Component } from '../component.ts'
import { supervise } from '../supervise.ts'

export interface ApplicationOptions {
  readonly needs: readonly string[]
  /** Written down by `prepare`, before the application reads its topology. */
  readonly prepare: (addressOf: (name: string) => string) => Promise<void>
  /** A command that runs the application in the foreground, until SIGTERM. */
  readonly command: readonly [string, ...string[]]
  readonly cwd: string
  readonly ports: { readonly web: number; readonly ops: number }
}

/** Migrating and filling a first catalogue may take its time, in milliseconds. */
const readyMs = 10 * 60_000

/** One process of the application, ready when its ops port says so. */
export function applicationComponent(name: string, { needs, prepare, command: [program, ...args], cwd, ports }: ApplicationOptions): Component {
  return {
    name, role: 'application', needs,
    async check() {},
    async prepare(place) { await mkdir(place.directory, { recursive: true, mode: 0o711 }) },
    async start(place) {
      if (await isReady(ports.ops)) throw failed('start', `Something answers on port ${ports.ops} already: stop it, or set OPS_PORT to another.`)
      await prepare(place.addressOf)
      const running = supervise(program, args, { directory: cwd, lastSignal: 'TERM', environment: process.env, onOutput: place.log })
      let gone: string | undefined
      const ended = running.ended.then(({ log }) => gone = log)
      const asked = await waitFor(async () => gone !== undefined || place.signal.aborted || await isReady(ports.ops) || undefined, { timeoutMs: readyMs, everyMs: 50 })
      if (place.signal.aborted || !asked) {
        running.signal('SIGTERM')
        await ended
        throw failed('start', place.signal.aborted ? 'The application was told to leave before it was ready.' : `The application was not ready in ${readyMs / 60_000} minutes: see its log by tenfold logs ${name}.`)
      }
      if (gone !== undefined) throw failed('start', `${/^tenfold: (.*)$/ms.exec(gone)?.[1]?.trim() ?? `The application ended: see its log by tenfold logs ${name}.`}`)
      return { address: `127.0.0.1:${ports.web}`, pid: running.pid as number, ended, async stop() { running.signal('SIGTERM'); await ended } }
    },
    destroy: removeDirectory,
  }
}

async function isReady(port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(({ ok }) => ok, () => false)
}
