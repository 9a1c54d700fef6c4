import { type ComponentStatus, endSession, readSession, rigDirectory } from '../ops/index.ts'
import type { Command } from './command.ts'
import { columns } from './table.ts'

export const psCommand: Command = {
  help: `tenfold ps: every program of the stage that tenfold up runs here: role, address, pid, state, how long its start took, how often it
ended by itself. Exit code 1 when nothing is up. --json prints a list for programs, empty when nothing is up.
`,
  options: { json: { type: 'boolean' } },
  async run({ topology }, { values }) {
    const session = await readSession(rigDirectory(topology))
    const components = session?.state.components ?? []
    if (values['json']) process.stdout.write(`${JSON.stringify(components, null, 2)}\n`)
    else process.stdout.write(session ? rigTable(components) : 'nothing is up: tenfold up --stage 2 begins\n')
    return session ? 0 : 1
  },
}

export const downCommand: Command = {
  help: `tenfold down: ends what tenfold up runs here, in good order, and waits until it is gone. What it kept stays on the disk.
`,
  options: {},
  async run({ topology }) {
    process.stdout.write(await endSession(rigDirectory(topology)) ? 'down\n' : 'nothing was up\n')
    return 0
  },
}

export function rigTable(components: readonly ComponentStatus[]): string {
  return columns([
    ['NAME', 'ROLE', 'STATE', 'ADDRESS', 'PID', 'STARTED IN', 'RESTARTS'],
    ...components.map(({ name, role, state, address, pid, startedInMs, restarts }) => [name, role, state, address ?? '', pid === undefined ? '' : String(pid), startedInMs === undefined ? '' : `${(startedInMs / 1000).toFixed(1)} s`, restarts === 0 ? '' : String(restarts)]),
  ])
}
