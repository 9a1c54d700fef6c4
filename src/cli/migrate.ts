import { migrateApplication } from '../runtime/index.ts'
import type { Command } from './command.ts'

export const migrateCommand: Command = {
  help: `tenfold migrate: applies the SQL files of every module that this database has not had yet, all in one transaction.
--dry-run runs them and rolls them back. An applied file that was changed or is missing is refused, by its name.
`,
  options: { 'dry-run': { type: 'boolean' } },
  async run({ app, topology }, { values }) {
    const dryRun = values['dry-run'] === true
    const applied = await migrateApplication(app, topology, { dryRun, status: (text) => process.stderr.write(`  ${text}\n`) })
    for (const { module, file } of applied) process.stdout.write(`${dryRun ? 'would apply' : 'applied'}  ${module}/${file}\n`)
    process.stdout.write(applied.length === 0 ? 'nothing to apply\n' : `${applied.length} ${applied.length === 1 ? 'file' : 'files'}${dryRun ? ', rolled back' : ''}\n`)
    return 0
  },
}
