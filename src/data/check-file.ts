import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { failed, type Random, reasonOf } from '../base/index.ts'
import { benchOn, type Judged } from './judge/judge.ts'
import { nodesNamed, parseStatements, sqlText } from './judge/parse.ts'
import { withScratch } from './judge/scratch.ts'
import { judgeMigration, judgePending, type Role } from './judged.ts'
import { type MigratedModule, migrationFile, type MigrationFile, platform, readFiles } from './migration-files.ts'
import type { Connection } from './pool.ts'

/** Judges one file on the schema that another file makes, in a scratch database of that server. Errors: `migration`, `usage`. */
export async function checkAgainstSchema(admin: Connection, random: Random, paths: { file: string; schema: string }): Promise<readonly Judged[]> {
  const file = migrationFile(dirname(paths.file), basename(paths.file), await bytesOf(paths.file))
  const schema = dumped(sqlText(await bytesOf(paths.schema), paths.schema, 'schema'))
  return withScratch(admin, random, async (client) => {
    await loadSchema(client, schema, paths.schema)
    await client.query('reset all; set timezone to utc') // a dump empties the search path
    return judgeMigration(await benchOn(client), file, 'public')
  })
}

/** Judges one file of a module on what the files before it, and the other modules' files, make. Errors: `migration`, `usage`. */
export async function checkAgainstModules(admin: Connection, application: Role, random: Random, modules: Iterable<MigratedModule>, path: string): Promise<readonly Judged[]> {
  const all = [platform, ...[...modules].toSorted((a, b) => (a.name < b.name ? -1 : 1))]
  const own = all.find(({ migrations }) => resolve(fileURLToPath(migrations)) === dirname(resolve(path)))
  if (own === undefined) throw failed('usage', `${path} stands in no module's folder of migrations: name the schema that it is for with --schema.`)
  const file = migrationFile(own.name, basename(path), await bytesOf(path))
  const before = (files: readonly MigrationFile[]) => files.filter((one) => one.file < file.file)
  const parted = await Promise.all(all.map(async (module) => {
    const files = await readFiles(module)
    return module === own ? { module, applied: before(files), pending: [file] } : { module, applied: files, pending: [] }
  }))
  return (await judgePending(admin, application, random, parted))[0]?.statements ?? []
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw failed('usage', `${path} cannot be read: ${reasonOf(cause)}.`, { cause })
  }
}

/** pg_dump's text, without the two commands of psql that guard it. */
function dumped(sql: string): string {
  return sql.replaceAll(/^\\(un)?restrict .*$/gm, '')
}

async function loadSchema(client: pg.Client, schema: string, name: string): Promise<void> {
  const copied = schema.split('\n').findIndex((line) => /^copy .* from stdin;$/i.test(line)) // what follows it is no SQL, and no parser reads it
  if (copied >= 0) throw failed('migration', `The schema ${name} holds rows for COPY in line ${copied + 1}: give what pg_dump --schema-only writes.`)
  const statements = await parseStatements(schema, name, 'schema')
  await makeRoles(client, statements)
  for (const { text, line } of statements) {
    try {
      await client.query(text)
    } catch (cause) {
      throw failed('migration', `The schema ${name} cannot be loaded: ${reasonOf(cause)}, in line ${line}. Correct it, or make it anew with pg_dump --schema-only.`, { cause })
    }
  }
}

/** Roles that the schema names, and this server has not: whose tables they are changes nothing about locks. */
async function makeRoles(client: pg.Client, statements: readonly { node: unknown }[]): Promise<void> {
  const names = new Set(statements.flatMap(({ node }) => nodesNamed<{ roletype?: string; rolename?: string }>(node, 'RoleSpec').concat(nodesNamed(node, 'newowner'))).flatMap(({ roletype, rolename }) => roletype === 'ROLESPEC_CSTRING' && rolename ? [rolename] : []))
  for (const name of names) {
    if ((await client.query('select from pg_roles where rolname = $1', [name])).rowCount === 0) await client.query(`create role "${name.replaceAll('"', '""')}" nologin`)
  }
}
