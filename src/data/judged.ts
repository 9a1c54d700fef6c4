import pg from 'pg'
import { failed, type Random, reasonOf } from '../base/index.ts'
import { parseBackfill } from './backfill.ts'
import { snakeName } from './builder.ts'
import { isOutsideOnly } from './faults.ts'
import { guardSharded, prepareRoles } from './guards.ts'
import { benchOn, type Bench, type Judged, judgeFile, mayRun } from './judge/judge.ts'
import { parseStatements, type Statement } from './judge/parse.ts'
import { correctIt } from './judge/remedies.ts'
import { withScratch } from './judge/scratch.ts'
import { type MigratedModule, type MigrationFile, nameOf, type Parted } from './migration-files.ts'
import type { Connection } from './pool.ts'

/** One module and its files. */
export interface ModuleFiles extends Parted { readonly module: MigratedModule }
/** What the application runs as. */
export interface Role { readonly user: string; readonly password: string }
export interface JudgedFile { readonly file: MigrationFile; readonly statements: readonly Judged[] }

/**
 * Judges what is pending on a scratch copy of the schema, which the files applied so far build anew: on an empty database of the same
 * server, so that its version, extensions and roles are the real ones. Errors: `migration`, when those files do not build it.
 */
export function judgePending(admin: Connection, application: Role, random: Random, modules: readonly ModuleFiles[]): Promise<JudgedFile[]> {
  return withScratch(admin, random, async (client) => {
    await prepareRoles(client, application)
    for (const module of modules) await rebuild(client, module)
    const bench = await benchOn(client)
    const judged: JudgedFile[] = []
    for (const { module, pending } of modules) {
      for (const file of pending) judged.push({ file, statements: await judgeMigration(bench, file, schemaOf(module)) })
    }
    return judged
  })
}

const schemaOf = ({ name }: MigratedModule) => snakeName(name)

async function rebuild(client: pg.Client, { module, applied }: ModuleFiles): Promise<void> {
  await enter(client, schemaOf(module))
  for (const file of applied) {
    if (file.backfill) continue // there are no rows
    try {
      await runWhole(client, file)
    } catch (cause) {
      throw failed('migration', `What is pending cannot be judged: ${nameOf(file)}, which was applied, does not build its tables anew (${reasonOf(cause)}). Say in each pending file -- tenfold: allow unjudged: why it is safe.`, { cause })
    }
  }
  await guardSharded(client, schemaOf(module), module)
}

/** As one text, which is quicker; statement by statement where one of them stands outside a transaction. */
async function runWhole(client: pg.Client, file: MigrationFile): Promise<void> {
  try {
    await client.query(file.sql)
  } catch (error) {
    if (!isOutsideOnly(error)) throw error
    for (const { text } of await parseStatements(file.sql, nameOf(file))) await client.query(text)
  }
}

async function enter(client: pg.Client, schema: string): Promise<void> {
  const name = pg.escapeIdentifier(schema)
  await client.query(`create schema if not exists ${name}; set search_path to ${name}`)
}

/** Judges one file in that schema of the scratch database. */
export async function judgeMigration(bench: Bench, file: MigrationFile, schema: string): Promise<readonly Judged[]> {
  await enter(bench.client, schema)
  if (!file.backfill) return judgeFile(bench, await parseStatements(file.sql, nameOf(file)), file.directives)
  const { statement, withCondition } = await parseBackfill(file)
  const whole: Statement = { ...statement, text: withCondition('true') }
  // In batches it is what a bulk write is to become.
  return (await judgeFile(bench, [whole], { ...file.directives, allow: new Map([...file.directives.allow, ['bulk-write', '']]) }))
    .map((judged) => ({ ...judged, statement: statement.text, ...judged.rule === 'bulk-write' ? { verdict: 'safe', rule: null, reason: 'It runs in batches, each a transaction of its own.', remedy: '', allowed: undefined } as const : {} }))
}

const toldMost = 3

/** Errors: `migration`, when a statement may not run: the first few of them, each with its fault and the safe way. */
export function refuseUnsafe(judged: readonly JudgedFile[]): void {
  const refused = judged.flatMap(({ file, statements }) => statements.filter((one) => !mayRun(one)).map((one) => ({ file, one })))
  const [first] = refused
  if (first === undefined) return
  if (first.one.verdict === 'invalid') {
    throw failed('migration', `The migration ${nameOf(first.file)} failed: ${first.one.reason.replace(/^It fails: /, '').replace(/\.$/, '')}, in line ${first.one.line}, on a scratch copy of the schema. Nothing of it was kept${first.one.remedy === correctIt ? ': correct the file and start again.' : `. ${first.one.remedy}`}`)
  }
  const told = refused.slice(0, toldMost).map(({ file, one }) => refusal(nameOf(file), one))
  throw failed('migration', `${told.join('\n\n')}${refused.length > toldMost ? `\n\nand ${refused.length - toldMost} more: tenfold migrate --dry-run after these.` : ''}`)
}

/** What a person is told of a statement that may not run. */
export function refusal(name: string, { line, statement, reason, remedy, rule, verdict }: Judged): string {
  const shown = statement.replaceAll(/\s+/g, ' ')
  const anyway = verdict === 'contract' || rule === 'transaction' ? '' : `\nWhere it is right all the same, the file begins with\n  -- tenfold: allow ${rule === 'invalid' ? 'unjudged' : rule}: why`
  return `The migration ${name} is refused for line ${line}: ${shown.length > 120 ? `${shown.slice(0, 119)}…` : shown}\n${reason} The safe way:\n${remedy.replaceAll(/^/gm, '  ')}${anyway}`
}
