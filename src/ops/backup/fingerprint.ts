import pg from 'pg'

/** What a table holds, in two numbers that do not depend on the order of its rows: how many they are, and the sum of their hashes. */
export interface Fingerprint { readonly rows: string; readonly checksum: string }
export type Fingerprints = ReadonlyMap<string, Fingerprint>

/** Every table of that database, as the session's snapshot sees it. One after the other: a table is read once, in whole. */
export async function fingerprints(session: pg.Client, onTable: (name: string) => void = () => {}): Promise<Fingerprints> {
  await session.query(`set extra_float_digits = 1; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set timezone = 'UTC'; set row_security = off; set max_parallel_workers_per_gather = 0`)
  const { rows: tables } = await session.query<{ schema: string; name: string }>(`
    select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2`)
  const found = new Map<string, Fingerprint>()
  for (const { schema, name } of tables) {
    onTable(`${schema}.${name}`)
    const table = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`
    const { rows: [sum] } = await session.query<Fingerprint>(`select count(*)::text as rows, coalesce(sum(hashtextextended((tenfold_row.*)::text, 0)::numeric), 0)::text as checksum from only ${table} as tenfold_row`)
    found.set(`${schema}.${name}`, sum as Fingerprint)
  }
  return found
}

export interface Difference { readonly table: string; readonly running: Fingerprint | undefined; readonly restored: Fingerprint | undefined }

export function differences(running: Fingerprints, restored: Fingerprints): Difference[] {
  return [...new Set([...running.keys(), ...restored.keys()])].toSorted().flatMap((table) => {
    const [one, other] = [running.get(table), restored.get(table)]
    return one?.rows === other?.rows && one?.checksum === other?.checksum ? [] : [{ table, running: one, restored: other }]
  })
}
