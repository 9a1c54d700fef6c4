import { failed } from '../base/errors.ts'
import { resolveSecret } from '../base/secrets.ts'
import type { Connection } from './pool.ts'

/** The database that a URL, or a reference to one (`env:DATABASE_URL`), names; `where` names the setting. Errors: `topology`, `secret`. */
export function connectionOf(reference: string, where: string): Connection {
  const text = resolveSecret(reference, where)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^postgres(ql)?:$/.test(url.protocol)) throw failed('topology', `${where} is no address of a Postgres: write it as postgres://user:password@host:5432/database, or as env:NAME.`)
  const user = decodeURIComponent(url.username)
  return { host: url.hostname, port: Number(url.port || 5432), user, password: decodeURIComponent(url.password), database: decodeURIComponent(url.pathname.slice(1)) || user, connectionString: text }
}

/** The same server, as the same user, in another database. */
export function inDatabase(connection: Connection, database: string): Connection {
  if (connection.connectionString === undefined) return { ...connection, database }
  const url = new URL(connection.connectionString) // what it says counts more than what stands beside it
  url.pathname = `/${encodeURIComponent(database)}`
  return { ...connection, database, connectionString: url.href }
}
