import pg from 'pg'
import type { ModuleDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'

/** Reads over every bucket (`shardKey: 'all'`) take this role for one transaction: it may select, and nothing else. */
const scanRole = 'tenfold_scan'

/** The roles are the cluster's, not the database's: two migrations at once may both come to make them. */
export async function prepareRoles(client: pg.Client, application: { user: string; password: string }): Promise<void> {
  const user = pg.escapeIdentifier(application.user)
  await client.query(`do $$ begin
    if not exists (select from pg_roles where rolname = '${scanRole}') then create role ${scanRole} nologin; end if;
    if not exists (select from pg_roles where rolname = ${pg.escapeLiteral(application.user)}) then
      create role ${user} login noinherit password ${pg.escapeLiteral(application.password)}; grant ${scanRole} to ${user};
      -- Bounds for what carries none of its own, such as the statements of a lane; a transaction sets a tighter one.
      alter role ${user} set statement_timeout = '30s'; alter role ${user} set idle_in_transaction_session_timeout = '60s'; alter role ${user} set timezone = 'UTC';
    end if;
  exception when duplicate_object or unique_violation then null; end $$`)
  await client.query(`create schema if not exists tenfold`)
  // What counts statements. Where it may not be made, or is not there, nothing is counted, and `tenfold db top` says so.
  await client.query(`do $$ begin
    if exists (select from pg_available_extensions where name = 'pg_stat_statements') then create extension if not exists pg_stat_statements schema public; end if;
  exception when insufficient_privilege or invalid_schema_name or duplicate_object or unique_violation then null; end $$`)
}

/** Who the application runs as may use a module's rows, not change its tables. */
export async function grantSchemas(client: pg.Client, schemas: readonly string[], user: string): Promise<void> {
  for (const schema of schemas.map((name) => pg.escapeIdentifier(name))) {
    await client.query(`grant usage on schema ${schema} to ${pg.escapeIdentifier(user)}, ${scanRole};
      grant select, insert, update, delete on all tables in schema ${schema} to ${pg.escapeIdentifier(user)};
      grant usage on all sequences in schema ${schema} to ${pg.escapeIdentifier(user)};
      grant select on all tables in schema ${schema} to ${scanRole}`)
  }
}

/**
 * Holds each table of a sharded module to its bucket by row security, at every stage: a statement that forgets the shard key finds
 * nothing on one machine too, so that nothing breaks on the day of the second shard. Errors: `migration`, naming the table.
 */
export async function guardSharded(client: pg.Client, schema: string, module: Pick<ModuleDefinition, 'name' | 'shardKey'>): Promise<void> {
  if (module.shardKey === undefined) return
  const { rows } = await client.query<{ table: string; first: string | null; type: string | null; guarded: boolean }>(`
    select c.relname as table, a.attname as first, format_type(a.atttypid, a.atttypmod) as type,
      c.relrowsecurity and (select count(*) from pg_policy p where p.polrelid = c.oid and p.polname in ('tenfold_bucket', 'tenfold_scan')) = 2 as guarded
    from pg_class c left join pg_index i on i.indrelid = c.oid and i.indisprimary
      left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p')`, [pg.escapeIdentifier(schema)])
  for (const { table, first, type, guarded } of rows) {
    if (first !== 'bucket' || type !== 'smallint') {
      throw failed('migration', `The table ${schema}.${table} belongs to the sharded module ${module.name}: give it "bucket smallint not null", first in its primary key.`)
    }
    if (guarded) continue // its lock would make everybody wait, for nothing
    const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`
    await client.query(`
      alter table ${name} alter column bucket set default current_setting('tenfold.bucket')::smallint;
      alter table ${name} enable row level security;
      drop policy if exists tenfold_bucket on ${name};
      create policy tenfold_bucket on ${name} using (bucket = current_setting('tenfold.bucket')::smallint) with check (bucket = current_setting('tenfold.bucket')::smallint);
      drop policy if exists tenfold_scan on ${name};
      create policy tenfold_scan on ${name} for select to ${scanRole} using (true)`)
  }
}
