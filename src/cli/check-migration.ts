import { type App, appDefinition } from '../app/index.ts'
import { systemRandom } from '../base/index.ts'
import { checkAgainstModules, checkAgainstSchema, connectionOf, type Judged, mayRun } from '../data/index.ts'
import { testDatabase } from '../testing/index.ts'
import { columns } from './table.ts'

/** Of the test server, which lives as long as this process. */
const role = { user: 'tenfold_app', password: 'tenfold' }

/** Judges a migration file on a Postgres of its own, started for it. Answers the exit code: 1 where a statement may not run. */
export async function checkMigration(file: string, against: { schema: string } | { app: App<any, any, any> }, json: boolean): Promise<number> {
  await using database = await testDatabase()
  const admin = connectionOf(database.url, 'the test server')
  const judged = 'schema' in against
    ? await checkAgainstSchema(admin, systemRandom, { file, schema: against.schema })
    : await checkAgainstModules(admin, role, systemRandom, appDefinition(against.app).modules.values(), file)
  process.stdout.write(json ? `${JSON.stringify(judged, null, 2)}\n` : described(judged))
  return judged.every(mayRun) ? 0 : 1
}

function described(judged: readonly Judged[]): string {
  if (judged.length === 0) return 'no statements\n'
  const table = columns([['line', 'verdict', 'lock', 'blocks', 'does', 'statement'], ...judged.map(row)])
  return `${table}${judged.filter(({ remedy, verdict }) => remedy !== '' || verdict !== 'safe').map(explained).join('')}${counted(judged)}\n`
}

function row({ line, verdict, allowed, lock, blocksReads, blocksWrites, rewrite, scan, indexBuilds, outsideTransaction, statement }: Judged): string[] {
  const does = [rewrite ? 'rewrites' : '', scan ? 'scans' : '', indexBuilds > 0 ? `builds ${indexBuilds} ${indexBuilds === 1 ? 'index' : 'indexes'}` : '', outsideTransaction ? 'outside a transaction' : ''].filter((one) => one !== '').join(', ')
  const shown = statement.replaceAll(/\s+/g, ' ')
  return [String(line), `${verdict}${allowed === undefined ? '' : ' (allowed)'}`, lock ?? '', blocksReads ? 'reads, writes' : blocksWrites ? 'writes' : '', does, shown.length > 70 ? `${shown.slice(0, 69)}…` : shown]
}

function explained({ line, rule, reason, remedy, allowed }: Judged): string {
  return `\nline ${line}${rule === null ? '' : `, ${rule}`}: ${reason}\n${allowed === undefined ? '' : `  allowed: ${allowed}\n`}${remedy.replaceAll(/^/gm, '  ')}\n`
}

function counted(judged: readonly Judged[]): string {
  const refused = judged.filter((one) => !mayRun(one)).length
  return `\n${judged.length} ${judged.length === 1 ? 'statement' : 'statements'}, ${refused === 0 ? 'none' : refused} refused`
}
