import { failed } from '../base/index.ts'
import { rebuildProjection } from '../events/index.ts'
import { attach } from '../runtime/index.ts'
import type { Command } from './command.ts'

export const rebuildCommand: Command = {
  help: `tenfold rebuild MODULE.PROJECTION: empties a projection, and has it take all the kept events again.
It may be run beside the application, which goes on meanwhile; what reads the projection sees it grow. Killed half-way, it stays
paused until this is run again.
`,
  onWhatIsUp: true,
  options: {},
  positionals: ['MODULE.PROJECTION'],
  async run({ app, topology }, { positionals: [name] }) {
    const attached = await attach(app, topology)
    try {
      const projections = [...attached.app.modules.values()].flatMap((module) => [...module.subscribers.values()]).filter(({ tables }) => tables !== undefined)
      const projection = projections.find((candidate) => candidate.name === name)
      if (!projection) throw failed('usage', `${attached.app.name} has no projection ${JSON.stringify(name)}: it has ${projections.map((one) => one.name).join(', ') || 'none'}.`)
      await rebuildProjection(attached.data, attached.clock, projection)
      process.stdout.write(`${projection.name} is empty, and ${attached.isRunning ? 'takes its events again' : 'will take its events again at the next start'}\n`)
      return 0
    } finally {
      await attached.close()
    }
  },
}
