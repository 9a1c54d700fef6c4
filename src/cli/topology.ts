import { appDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import { abandonMove, applyTopology, upgradePostgres } from '../ops/index.ts'
import { assertTopology, type SingleTopology, stages, topologyFaults, unsupported } from '../topology/index.ts'
import type { Command } from './command.ts'
import { type Config, readTopology } from './config.ts'
import { interruptedCode, interruptible } from './interrupt.ts'

export const topologyCommand: Command = {
  help: `tenfold topology: prints the topology of tenfold.config.ts, and every fault of it with its path and its remedy.
Exit code 0 when it has none, 1 when it has. What is valid and this version cannot start is named, too.
--json prints {topology, faults, later} for programs.

tenfold topology apply FILE: moves the embedded database to the server that the topology in FILE names (JSON), verifies it by counts and
checksums, and says how long nobody could write. While the application runs, the copy follows it (logical replication) until somebody stops
the application; --switch stops it once all is in step. Killed, it goes on where it stood when it is run again; --abandon (without FILE)
gives the move up. What was moved stays where it was, and is not started any more. --json prints {tables, rows, to, downtimeMs}.

tenfold topology upgrade: brings the embedded database to the major version of Postgres that is installed now, in the same way. --bin DIR
says where the old version's programs are; Debian's postgresql-N are found.
`,
  options: { json: { type: 'boolean' }, bin: { type: 'string' }, switch: { type: 'boolean' }, abandon: { type: 'boolean' } },
  positionals: ['apply or upgrade?', 'FILE?'],
  async run(config, { values, positionals: [verb, file] }) {
    const isJson = values['json'] === true
    if (verb === undefined) return show(config, isJson)
    if (verb === 'upgrade' && file === undefined) return await upgrade(config, typeof values['bin'] === 'string' ? values['bin'] : undefined, isJson)
    if (verb === 'apply' && file === undefined && values['abandon'] === true) return await abandon(config)
    if (verb !== 'apply' || file === undefined || values['abandon'] === true) throw failed('usage', `tenfold topology takes apply and a FILE (or --abandon), upgrade, or nothing: tenfold topology --help says what they do.`)
    return await apply(config, file, { isJson, switchNow: values['switch'] === true })
  },
}

function show({ app, topology }: Config, isJson: boolean): number {
  const faults = topologyFaults(appDefinition(app), topology)
  const later = faults.length > 0 || topology.stage === 'single' ? [] : unsupported(appDefinition(app), topology)
  if (isJson) process.stdout.write(`${JSON.stringify({ topology, faults, later }, null, 2)}\n`)
  else {
    const stage = stages.find(({ name }) => name === topology.stage)
    process.stdout.write(`${app.name}: ${stage ? `stage ${stage.number} of ${stages.length}, ${stage.name} (${stage.adds})` : 'no stage'}\n${JSON.stringify(topology, null, 2)}\n`)
    for (const { path, message } of later) process.stdout.write(`  not to be started by this version: ${path} ${message}\n`)
    process.stdout.write(faults.length === 0 ? 'valid\n' : `${faults.map(({ path, message }) => `  ${path} ${message}`).join('\n')}\n`)
  }
  return faults.length === 0 ? 0 : 1
}

async function apply({ app, topology: from }: Config, file: string, { isJson, switchNow }: { isJson: boolean; switchNow: boolean }): Promise<number> {
  const to = await readTopology(file)
  assertTopology(appDefinition(app), to)
  const single = embedded(from)
  if (to.stage === 'single') throw failed('topology', `The topology in ${file} has no server (stage single): name one of stage split or wider.`)
  const applied = await interruptible((signal) => applyTopology(app, single, to, { ...progress, switchNow, signal }))
  if (!applied) {
    process.stderr.write('  what was copied stays there: run it again to go on with it, or with --abandon to give it up\n')
    return interruptedCode
  }
  if (isJson) process.stdout.write(`${JSON.stringify(applied, null, 2)}\n`)
  else process.stdout.write(`moved ${applied.rows} rows of ${applied.tables} tables to ${applied.to}, verified by counts and checksums; nobody could write for ${(applied.downtimeMs / 1_000).toFixed(1)} s\ngo on with  tenfold --topology ${file} start\n`)
  return 0
}

async function abandon({ app, topology }: Config): Promise<number> {
  await abandonMove(app, embedded(topology))
  process.stdout.write('given up: this database keeps nothing for a move any more; drop what was copied of it\n')
  return 0
}

function embedded(topology: Config['topology']): SingleTopology {
  if (topology.stage !== 'single') throw failed('topology', `The database is on a server already (stage ${topology.stage}): apply moves an embedded one.`)
  return topology
}

async function upgrade({ app, topology }: Config, bin: string | undefined, isJson: boolean): Promise<number> {
  if (topology.stage !== 'single') throw failed('topology', `The database is on a server (stage ${topology.stage}): whoever runs that upgrades it.`)
  const upgraded = await upgradePostgres(app, topology, { bin, ...progress })
  if (isJson) process.stdout.write(`${JSON.stringify(upgraded ?? null, null, 2)}\n`)
  else if (!upgraded) process.stdout.write('nothing to upgrade\n')
  else process.stdout.write(`Postgres ${upgraded.from} is ${upgraded.to}: ${upgraded.rows} rows of ${upgraded.tables} tables, verified by counts and checksums, in ${(upgraded.downtimeMs / 1_000).toFixed(1)} s; the old one is in ${upgraded.kept} until you delete it\n`)
  return 0
}

const progress = {
  status: (text: string) => { process.stderr.write(`  ${text}\n`) },
  onTable: ({ table, number, of, rows, copied }: { table: string; number: number; of: number; rows: number; copied: boolean }) => { process.stderr.write(`  ${String(number).padStart(String(of).length)}/${of}  ${table}  ${rows} rows${copied ? '' : ', there already'}\n`) },
}
