import { appDefinition } from '../app/index.ts'
import { stages, topologyFaults } from '../topology/index.ts'
import type { Command } from './command.ts'

export const topologyCommand: Command = {
  help: `tenfold topology: prints the topology of tenfold.config.ts, and every fault of it with its path and its remedy.
Exit code 0 when it has none, 1 when it has. --json prints {topology, faults} for programs.
`,
  options: { json: { type: 'boolean' } },
  async run({ app, topology }, { values }) {
    const faults = topologyFaults(appDefinition(app), topology)
    if (values['json']) process.stdout.write(`${JSON.stringify({ topology, faults }, null, 2)}\n`)
    else {
      const stage = stages.find(({ name }) => name === topology.stage)
      process.stdout.write(`${app.name}: stage ${stage?.number} of ${stages.length}, ${stage?.name} (${stage?.adds})\n${JSON.stringify(topology, null, 2)}\n`)
      process.stdout.write(faults.length === 0 ? 'valid\n' : `${faults.map(({ path, message }) => `  ${path} ${message}`).join('\n')}\n`)
    }
    return faults.length === 0 ? 0 : 1
  },
}
