import { failed } from '../base/index.ts'
import { migrateApplication } from '../runtime/index.ts'
import { checkMigration } from './check-migration.ts'
import type { Command } from './command.ts'

export const migrateCommand: Command = {
  help: `tenfold migrate: applies the SQL files of every module that this database has not had yet. On an empty database all in one
transaction; on one that is in use each file in its own, after every statement was judged on a scratch copy of the schema: what would
block readers or writers for long, or break a version that still runs, is refused with the safe way. An applied file that was changed
or is missing is refused, by its name.
--dry-run runs them and rolls them back.
--check FILE applies nothing: it says of each statement of that file what it locks, rewrites and scans, and whether it is safe. The tables
are those of --schema SCHEMA.sql (what pg_dump --schema-only writes; no application is needed then), or what the application's other
files make. Exit code 1 when a statement may not run. --json prints a list, one object for each statement, for programs.
`,
  options: { 'dry-run': { type: 'boolean' }, check: { type: 'string' }, schema: { type: 'string' }, json: { type: 'boolean' } },
  onWhatIsUp: true,
  withoutConfig({ values: { check, schema, json } }) {
    if (typeof check === 'string') return typeof schema === 'string' ? checkMigration(check, { schema }, json === true) : undefined
    if (schema !== undefined || json !== undefined) throw failed('usage', `--${schema === undefined ? 'json' : 'schema'} goes with --check FILE: name the migration that is to be checked.`)
    return undefined
  },
  async run({ app, topology }, { values }) {
    if (typeof values['check'] === 'string') return checkMigration(values['check'], { app }, values['json'] === true)
    const dryRun = values['dry-run'] === true
    const applied = await migrateApplication(app, topology, { dryRun, status: (text) => process.stderr.write(`  ${text}\n`) })
    for (const { module, file } of applied) process.stdout.write(`${dryRun ? 'would apply' : 'applied'}  ${module}/${file}\n`)
    process.stdout.write(applied.length === 0 ? 'nothing to apply\n' : `${applied.length} ${applied.length === 1 ? 'file' : 'files'}${dryRun ? ', rolled back' : ''}\n`)
    return 0
  },
}
