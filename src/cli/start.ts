import { systemClock } from '../base/index.ts'
import type { LogLevel } from '../observe/index.ts'
import { run } from '../runtime/index.ts'
import type { Command } from './command.ts'
import { leaving } from './leaving.ts'
import { supervisorOf } from './supervised.ts'

/** How long a process may take to leave before it is ended the hard way, in milliseconds. */
const leaveMs = 30_000

export const startCommand: Command = {
  help: `tenfold start: runs the application as its topology says, in this terminal.

It prints a line that begins with "ready" once it answers. SIGTERM and Ctrl-C leave quietly: no new work, what was taken is
finished, everything is closed. A second Ctrl-C ends it at once; nothing that was acknowledged is lost.
`,
  beforeLoad: () => supervisorOf()?.begun, // until then it stands by
  async run(config, { quiet, values }) {
    const began = systemClock.monotonic()
    const say = (text: string) => process.stderr.write(`  ${text}\n`)
    const interrupt = leaving(leaveMs)
    const supervisor = supervisorOf()
    supervisor?.onGone(interrupt.hear)
    let ready = false
    try {
      await config.check?.({ values })
      const running = await run(config.app, config.topology, {
        status: say, logLevel: logLevel(quiet), signal: interrupt.signal, ...(supervisor ? { hold: supervisor.hold, onRepeated: say } : {}), ...(config.before ? { before: config.before } : {}), ...(config.prepare ? { prepare: async ({ call }) => config.prepare?.({ call, values }) } : {}),
      })
      if (!supervisor) for (const line of config.ready?.(running.urls) ?? []) say(line)
      process.stdout.write(`ready in ${((systemClock.monotonic() - began) / 1000).toFixed(1)} s at ${running.urls.web} (ops ${running.urls.ops})\n`)
      ready = true
      supervisor?.ready()
      await Promise.race([interrupt.asked, running.stopped])
      if (!supervisor) say('leaving: finishing what was taken')
      await running.stop()
      await running.stopped
      if (!supervisor) say('left')
      return 0
    } catch (error) {
      // Ctrl-C reaches what the start had under way, too: whatever that says then, this is why.
      if (ready || !interrupt.signal.aborted) throw error
      if (!supervisor) say('interrupted before it was ready; nothing is left running')
      return 130
    } finally {
      interrupt.done()
      supervisor?.close()
    }
  },
}

/** Request by request into a log; a terminal is for people. TENFOLD_LOG says otherwise. */
function logLevel(quiet: boolean): LogLevel {
  const said = process.env['TENFOLD_LOG']
  if (said === 'debug' || said === 'info' || said === 'warn' || said === 'error' || said === 'silent') return said
  return quiet || process.stderr.isTTY ? 'warn' : 'info'
}
