import { systemClock } from '../base/index.ts'
import type { LogLevel } from '../observe/index.ts'
import { run } from '../runtime/index.ts'
import type { Config } from './config.ts'

export interface Command {
  readonly help: string
  run(config: Config, args: readonly string[], options: { quiet: boolean }): Promise<number>
}

/** How long a process may take to leave before it is ended the hard way, in milliseconds. */
const leaveMs = 30_000

export const startCommand: Command = {
  help: `tenfold start: runs the application as its topology says, in this terminal.

It prints a line that begins with "ready" once it answers. SIGTERM and Ctrl-C leave quietly: no new work, what was taken is
finished, everything is closed. A second Ctrl-C ends it at once; nothing that was acknowledged is lost.
`,
  async run(config, args, { quiet }) {
    const began = systemClock.monotonic()
    const say = (text: string) => process.stderr.write(`  ${text}\n`)
    let interrupted = false
    const interrupt = leaving()
    const outside = await config.before?.()
    try {
      const running = await run(config.app, config.topology, {
        status: say, logLevel: logLevel(quiet), ...(config.prepare ? { prepare: async ({ call }) => config.prepare?.({ call, args }) } : {}),
      })
      for (const line of config.ready?.(running.urls) ?? []) say(line)
      process.stdout.write(`ready in ${((systemClock.monotonic() - began) / 1000).toFixed(1)} s at ${running.urls.web} (ops ${running.urls.ops})\n`)
      await Promise.race([interrupt.asked, running.stopped])
      interrupted = true
      say('leaving: finishing what was taken')
      await running.stop()
      await running.stopped
      return 0
    } finally {
      await outside?.close()
      interrupt.done()
      if (interrupted) process.stderr.write('  left\n')
    }
  },
}

/** Request by request into a log; a terminal is for people. TENFOLD_LOG says otherwise. */
function logLevel(quiet: boolean): LogLevel {
  const said = process.env['TENFOLD_LOG']
  if (said === 'debug' || said === 'info' || said === 'warn' || said === 'error' || said === 'silent') return said
  return quiet || process.stderr.isTTY ? 'warn' : 'info'
}

/** The first signal asks, the second insists. */
function leaving(): { readonly asked: Promise<void>; done(): void } {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  let signals = 0
  const heard = () => {
    if (++signals > 1) process.exit(130)
    resolve()
    systemClock.after(leaveMs, () => process.exit(1))
  }
  process.on('SIGINT', heard)
  process.on('SIGTERM', heard)
  return { asked, done: () => { process.off('SIGINT', heard); process.off('SIGTERM', heard) } }
}
