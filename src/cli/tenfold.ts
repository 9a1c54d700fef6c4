import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { failed, isTenfoldError, reasonOf } from '../base/index.ts'
import type { Command, Given, LoneCommand } from './command.ts'
import { loadConfig } from './config.ts'

const help = `tenfold: one application, from one process to many regions

  tenfold new NAME            make a folder with an application of one module that runs at once
  tenfold dev                 run the application, and start it again at every change; the database stays
  tenfold start               run the application as its topology says; Ctrl-C leaves quietly
  tenfold up --stage N        bring a whole stage up on this machine, with real engines
  tenfold down                end it
  tenfold ps                  what of it runs: role, address, pid, state
  tenfold logs NAME           what one of its programs says, as it says it; --no-follow ends
  tenfold migrate             bring the database to what the migration files say
  tenfold migrate --dry-run   try it, and roll it back
  tenfold migrate --check F   what each statement of a migration file locks, rewrites and scans, and the safe way
  tenfold rebuild NAME        empty a projection, and let it take all kept events again
  tenfold routes              every route: what serves it, who may call it, its limits
  tenfold check               what the compiler cannot see: files never imported, refusals without a reason, what cannot be split
  tenfold runs                what has not ended: list, show, retry, discard
  tenfold dead                what gave up: list, show, retry, discard
  tenfold db                  slow queries: top, explain NAME, advise
  tenfold backup              a full backup into the store; list, verify
  tenfold restore             a database as it was at a moment, into an empty directory
  tenfold drill restore       restore the newest backup beside the running database, and compare every table
  tenfold topology            print the topology, and check it; apply FILE moves the database to its server

  --json                      the same for programs, after migrate --check, routes, check, runs, dead, db, backup, restore, drill, topology and ps
  --config FILE               which application (tenfold.config.ts unless told)
  --topology FILE             another topology, as JSON, in the place of the configuration's
  --quiet                     no log lines below warnings
  --help                      this page; after a command, that command's
  --version                   which tenfold this is

Exit codes: 0 done; 1 it failed, and said why; 2 the command line is not understood; 130 interrupted before it was ready.
`

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** Each is loaded when it is asked for: what a long-lived `start` does not use takes none of its memory. */
const commands: Readonly<Record<string, () => Promise<Command | LoneCommand>>> = {
  new: async () => (await import('./new.ts')).newCommand,
  dev: async () => (await import('./dev.ts')).devCommand,
  start: async () => (await import('./start.ts')).startCommand,
  up: async () => (await import('./up.ts')).upCommand,
  down: async () => (await import('./rig.ts')).downCommand,
  ps: async () => (await import('./rig.ts')).psCommand,
  logs: async () => (await import('./logs.ts')).logsCommand,
  migrate: async () => (await import('./migrate.ts')).migrateCommand,
  rebuild: async () => (await import('./rebuild.ts')).rebuildCommand,
  routes: async () => (await import('./routes.ts')).routesCommand,
  check: async () => (await import('./check.ts')).checkCommand,
  runs: async () => (await import('./runs.ts')).runsCommand,
  dead: async () => (await import('./runs.ts')).deadCommand,
  db: async () => (await import('./db.ts')).dbCommand,
  backup: async () => (await import('./backup.ts')).backupCommand,
  restore: async () => (await import('./restore.ts')).restoreCommand,
  drill: async () => (await import('./drill.ts')).drillCommand,
  topology: async () => (await import('./topology.ts')).topologyCommand,
}

/** Answers the exit code. A person never sees a stack trace: the sentence says what is wrong and what to do. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals, tokens } = parseArgs({ args: [...args], strict: false, allowPositionals: true, tokens: true, options: { config: { type: 'string' }, topology: { type: 'string' }, help: { type: 'boolean', short: 'h' }, quiet: { type: 'boolean' }, version: { type: 'boolean' } } })
  const name = positionals[0]
  if (values.version === true) {
    process.stdout.write(`${version}\n`)
    return 0
  }
  const load = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (name === undefined || !load) {
    if (values.help || name === undefined || name === 'help') {
      process.stdout.write(help)
      return values.help || name === 'help' ? 0 : 2
    }
    throw failed('usage', `There is no command ${JSON.stringify(name)}: use ${Object.keys(commands).join(', ')}, or tenfold --help.`)
  }
  const at = tokens.find((token) => token.kind === 'positional')?.index ?? 0
  const command = await load()
  const configPath = resolve(typeof values.config === 'string' ? values.config : 'tenfold.config.ts')
  // What is for every command is heard here: `--config FILE` and `--config=FILE`.
  const common = new Set(tokens.flatMap((token) => token.kind === 'option' && ['config', 'topology', 'quiet'].includes(token.name) ? [token.index, ...token.value !== undefined && !token.inlineValue ? [token.index + 1] : []] : []))
  const own = args.filter((_, index) => index > at && !common.has(index))
  const topologyPath = typeof values.topology === 'string' ? values.topology : undefined
  const given = { quiet: values.quiet === true, configPath, topologyPath, rest: [...values.quiet === true ? ['--quiet'] : [], ...own] }
  if ('runAlone' in command) {
    if (!values.help) return command.runAlone({ ...given, ...command.passesOn ? { values: {}, positionals: [] } : ownValues(name, own, command) })
    process.stdout.write(command.help)
    return 0
  }
  const done = values.help || !command.withoutConfig ? undefined : command.withoutConfig({ ...given, ...ownValues(name, own, command) })
  if (done) return done
  await command.beforeLoad?.()
  const config = command.onWhatIsUp && !values.help ? await (await import('./what-is-up.ts')).configOfWhatIsUp(given) : await loadConfig(given)
  if (values.help) {
    process.stdout.write(`${command.help}${config.help && name === 'start' ? `\n${config.help}\n` : ''}`)
    return 0
  }
  return command.run(config, { ...given, ...ownValues(name, own, { ...command, options: { ...command.options && !command.withApplicationOptions ? {} : config.options, ...command.options } }) })
}

/** A slip must not do what was not asked for: what a command does not know, or lacks, is refused. */
function ownValues(name: string, args: readonly string[], { options = {}, positionals: wanted = [] }: Pick<Command, 'options' | 'positionals'>): Pick<Given, 'values' | 'positionals'> {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, strict: true, allowPositionals: wanted.length > 0 })
    if (positionals.length > wanted.length) throw failed('usage', `tenfold ${name} takes ${wanted.join(' ')}, and ${JSON.stringify(positionals[wanted.length])} is one too many.`)
    const missing = wanted.slice(positionals.length).find((word) => !word.endsWith('?'))
    if (missing) throw failed('usage', `tenfold ${name} lacks ${missing}: tenfold ${name} --help says what it is.`)
    return { values, positionals }
  } catch (cause) {
    if (isTenfoldError(cause)) throw cause
    throw failed('usage', `${(cause as Error).message.split(/\.(?: |$)/)[0]}: tenfold ${name} --help says what there is (and npm passes on what stands behind --).`, { cause })
  }
}

// Whoever reads what we say may be gone, or his disk full: that ends nothing.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

main(process.argv.slice(2)).then((code) => { process.exitCode = code }, (error: unknown) => {
  process.stderr.write(`tenfold: ${reasonOf(error)}\n`)
  if (process.env['TENFOLD_DEBUG']) console.error(error)
  process.exit(isTenfoldError(error, 'usage') ? 2 : 1)
})
