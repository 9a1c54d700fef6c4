import type pg from 'pg'
import type { AppDefinition, ProcedureDefinition } from '../../app/index.ts'
import { snakeName } from '../../data/index.ts'
import type { Standing } from './session.ts'

/** Everything of an application that sends statements, by its name. */
export function sendersOf(app: AppDefinition): string[] {
  return [...app.modules.values()].flatMap((module) => [...module.procedures.values(), ...module.jobs.values(), ...module.subscribers.values()].map(({ name }) => name)).toSorted()
}

export function procedureOf(app: AppDefinition, name: string): ProcedureDefinition | undefined {
  const [module = '', own = ''] = name.split('.')
  return app.modules.get(module)?.procedures.get(own)
}

/** As the application itself runs what that procedure sends: its role, its module's schema, one bucket's rows where the module is sharded. */
export async function standingFor(client: pg.Client, app: AppDefinition, name: string | undefined): Promise<Standing> {
  const modules = [...app.modules.values()]
  const own = modules.find((module) => module.name === name?.split('.')[0])
  const searchPath = (own ? [own] : modules).map((module) => `"${snakeName(module.name)}"`).join(', ')
  const { rows: [roles] } = await client.query<{ app: boolean; scan: boolean }>(`select exists (select from pg_roles where rolname = 'tenfold_app') as app, exists (select from pg_roles where rolname = 'tenfold_scan') as scan`)
  const isSharded = (own ? [own] : modules).some(({ shardKey }) => shardKey !== undefined)
  if (name !== undefined && roles?.scan && procedureOf(app, name)?.shard.kind === 'all') return { role: 'tenfold_scan', searchPath }
  const bucket = isSharded ? await someBucket(client, (own ? [own] : modules).map((module) => snakeName(module.name))) : ''
  return { role: roles?.app ? 'tenfold_app' : undefined, searchPath, bucket }
}

/** One that has rows: of the largest table that has any. */
async function someBucket(client: pg.Client, schemas: readonly string[]): Promise<string> {
  const { rows: tables } = await client.query<{ name: string }>(`select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attname = 'bucket' where c.relkind in ('r', 'p') and n.nspname = any($1) order by pg_table_size(c.oid) desc limit 5`, [schemas])
  for (const { name } of tables) {
    const { rows: [row] } = await client.query<{ bucket: string }>(`select bucket::text as bucket from ${name} limit 1`)
    if (row) return row.bucket
  }
  return '0'
}
