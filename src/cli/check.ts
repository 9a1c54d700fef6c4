import { realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type AppDefinition, appDefinition, defineModule, type ProcedureDefinition } from '../app/index.ts'
import type { Command } from './command.ts'
import { neverImported, noteImports } from './imports.ts'
import { columns } from './table.ts'

export const checkCommand: Command = {
  help: `tenfold check: what the compiler cannot see. A fault is to be corrected: a file below the folder of tenfold.config.ts that defines
something on a module and is never imported; a refusal ({ none: 'why' }) without a reason. A note is to be known: queries that ask
every shard, modules that stay on one database, and what is refused for which reason. Exit code 1 when there is a fault.
--json prints {faults, notes} for programs.
`,
  options: { json: { type: 'boolean' } },
  beforeLoad: noteImports,
  async run({ app }, { values, configPath }) {
    const definition = appDefinition(app)
    const found = [...await unreached(definition, dirname(await realpath(configPath))), ...remarks(definition)]
    const [faults, notes] = (['fault', 'note'] as const).map((kind) => found.filter((one) => one.kind === kind)) as [Remark[], Remark[]]
    if (values['json']) {
      const plain = (list: Remark[]) => list.map(({ where, message }) => ({ where, message }))
      process.stdout.write(`${JSON.stringify({ faults: plain(faults), notes: plain(notes) }, null, 2)}\n`)
    } else {
      process.stdout.write(columns([...faults, ...notes].map(({ kind, where, message }) => [kind, where, message])))
      process.stdout.write(`${app.name}: ${counted(faults.length, 'fault')}, ${counted(notes.length, 'note')}\n`)
    }
    return faults.length === 0 ? 0 : 1
  },
}

export interface Remark { readonly kind: 'fault' | 'note'; readonly where: string; readonly message: string }

const counted = (count: number, word: string) => `${count === 0 ? 'no' : count} ${word}${count === 1 ? '' : 's'}`

const verbs = ['query', 'command', 'lookup', 'action', 'event', 'on', 'job', 'projection', 'dependency']
const makesModule = 'defineModule'

async function unreached(app: AppDefinition, folder: string): Promise<Remark[]> {
  const wanted = new Map<unknown, string>([[defineModule, makesModule]])
  for (const module of app.modules.values()) for (const verb of verbs) wanted.set((module as unknown as Record<string, unknown>)[verb], `${module.name}.${verb}`) // its other face has its verbs
  return (await neverImported(folder, wanted)).map(({ file, calls, unreadable }): Remark => {
    if (unreadable !== undefined) return { kind: 'note', where: file, message: `cannot be read, and no file of the application imports it: ${unreadable}` }
    const defines = calls.filter((call) => call !== makesModule)
    return defines.length > 0
      ? { kind: 'fault', where: file, message: `calls ${defines.join(', ')}, and no file of the application imports it: import it where the application is defined, or delete it` }
      : { kind: 'note', where: file, message: 'makes a module of its own, and no file of the application imports it' }
  })
}

/** What the definitions themselves say. The platform's own modules are not the team's to change. */
export function remarks(app: AppDefinition): Remark[] {
  const platform = new Set(app.routes.map(({ auth }) => auth.definition.module.name))
  const modules = [...app.modules.values()].filter(({ name }) => !platform.has(name))
  return modules.flatMap((module) => [
    ...(module.shardKey === undefined ? [{ kind: 'note', where: module.name, message: 'has no shardKey: its rows stay on one database at every stage' } as const] : []),
    ...[...module.procedures.values()].flatMap(remarksOn),
  ])
}

function remarksOn({ name, shard, query, action, operation }: ProcedureDefinition): Remark[] {
  const fallback = operation?.fallback
  return [
    ...(shard.kind === 'all' ? [{ kind: 'note', where: name, message: 'asks every shard, and is as slow as the slowest of them' } as const] : []),
    ...refused(name, 'is cached, and no event makes it wrong', query?.cache?.none),
    ...refused(name, 'has no backstop', action?.none),
    ...refused(name, 'has no fallback', typeof fallback === 'object' ? fallback.none : undefined),
  ]
}

/** A reason of fewer words is none. */
const wordsMin = 3

/** What was refused with `{ none: 'why' }`. */
function refused(where: string, what: string, why: string | undefined): Remark[] {
  if (why === undefined) return []
  const words = why.trim().split(/\s+/).filter((word) => /\w/.test(word)).length
  if (words >= wordsMin) return [{ kind: 'note', where, message: `${what}: ${why.trim()}` }]
  return [{ kind: 'fault', where, message: `${what}, and ${words === 0 ? 'says no reason' : `says ${JSON.stringify(why)} for a reason`}: say in a few words why that is right` }]
}
