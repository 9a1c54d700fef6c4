import { join } from 'node:path'
import { failed, systemClock } from '../base/index.ts'
import { bringUp, portsOf, readSession, rigDirectory } from '../ops/index.ts'
import type { Command } from './command.ts'
import { leaving } from './leaving.ts'
import { liveTable, type Screen } from './live-table.ts'
import { rigTable } from './rig.ts'

/** An application drains, and Postgres writes out what it has, in milliseconds. */
const leaveMs = 90_000

export const upCommand: Command = {
  help: `tenfold up --stage N: brings the whole stage up on this machine from real engines, and stays: 2 is Postgres behind PgBouncer, 4 a
primary and two replicas behind it. Without --ha the database is stage 1's own: an application that grows finds its rows. What ends by itself comes
back. Ctrl-C (or tenfold down, elsewhere) leaves quietly; nothing outlives this process, however it ends. Up already: it says so.

  --ha    the database survives its primary: three servers that agree by Patroni and etcd on who leads, without a pooler. A commit is
          acknowledged when a second server has it, so a failover (some 5 s) loses none; an asynchronous cluster would, and is not to be had.
          It is a database of its own: stage 1's rows are moved into it the first time, verified by counts and checksums, and stay where
          they were, too, where nobody goes on with them.

See also tenfold ps, tenfold logs NAME, tenfold down.
`,
  options: { stage: { type: 'string' }, ha: { type: 'boolean' } },
  withApplicationOptions: true,
  async run({ app, topology, check }, { values, configPath, rest }) {
    const stage = Number(values['stage'])
    if (!Number.isInteger(stage)) throw failed('usage', `tenfold up takes --stage and a number, such as --stage 4.`)
    const highlyAvailable = values['ha'] === true
    const began = systemClock.monotonic()
    const interrupt = leaving(leaveMs)
    const table = liveTable()
    const passed = rest.filter((argument, index) => argument !== '--ha' && argument !== '--stage' && rest[index - 1] !== '--stage' && !argument.startsWith('--stage='))
    try {
      await check?.({ values }) // what is wrong with its options is told before anything is started
      const up = await bringUp({
        app, topology, stage, highlyAvailable, onChange: (status) => { process.stderr.write(table.show(status, screen())) }, signal: interrupt.signal,
        command: (topologyFile) => [process.execPath, ...process.execArgv, join(import.meta.dirname, 'main.js'), '--config', configPath, '--topology', topologyFile, 'start', ...passed],
      })
      if ('ownerPid' in up) return await already(rigDirectory(topology), { stage, highlyAvailable, port: portsOf(topology).web })
      table.settle()
      if (up.moved) process.stdout.write(`moved ${up.moved.rows} rows of ${up.moved.tables} tables into the cluster, verified by counts and checksums\n`)
      const web = up.rig.status().find(({ role }) => role === 'application')?.address
      process.stdout.write(`ready in ${((systemClock.monotonic() - began) / 1000).toFixed(1)} s at http://${web}\n`)
      await interrupt.asked
      await up.down()
      return 0
    } catch (error) {
      if (!interrupt.signal.aborted) throw error
      process.stderr.write('  interrupted before it was ready; nothing is left running\n')
      return 130
    } finally {
      interrupt.done()
    }
  },
}

/** A second `up` is none, unless it means another stage or another port. */
async function already(directory: string, wanted: { readonly stage: number; readonly highlyAvailable: boolean; readonly port: number }): Promise<number> {
  const session = await readSession(directory)
  if (!session) throw failed('start', 'The rig was up a moment ago and is down now: run tenfold up again.')
  const { state, ownerPid } = session
  const called = (one: Pick<typeof wanted, 'stage' | 'highlyAvailable'>) => `${one.stage}${one.highlyAvailable ? ' with --ha' : ''}`
  if (state.stage !== 0 && called(state) !== called(wanted)) throw failed('start', `Stage ${called(state)} is up (pid ${ownerPid}): run tenfold down first.`)
  const { web: port = wanted.port } = state.ports ?? {}
  if (port !== wanted.port) throw failed('start', `Stage ${called(state)} is up at port ${port} (pid ${ownerPid}), and this asks for port ${wanted.port}: leave PORT out, or run tenfold down first.`)
  process.stdout.write(`stage ${called(wanted)} is up already (pid ${ownerPid})\n${rigTable(state.components)}`)
  return 0
}

/** Asked at each drawing, since a terminal may be made larger or smaller. One that does not know its size is none to draw a table on. */
function screen(): Screen | undefined {
  const { isTTY, columns, rows } = process.stderr
  return isTTY && columns > 0 && rows > 0 ? { columns, rows } : undefined
}
