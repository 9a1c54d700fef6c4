import { failed } from '../base/errors.ts'
import { resolveSecret } from '../base/secrets.ts'
import type { Address, Connection } from './pool.ts'

/** The database that a URL, or a reference to one (`env:DATABASE_URL`), names; `where` names the setting. Errors: `topology`, `secret`. */
export function connectionOf(reference: string, where: string): Connection {
  const text = withTls(resolveSecret(reference, where))
  const hosts = hostsIn(text)
  const url = URL.canParse(oneHost(text, hosts)) ? new URL(oneHost(text, hosts)) : undefined
  if (!url || !/^postgres(ql)?:$/.test(url.protocol)) throw failed('topology', `${where} is no address of a Postgres: write it as postgres://user:password@host:5432/database (more hosts of one cluster parted by commas), or as env:NAME.`)
  const user = decodeURIComponent(url.username)
  return { host: url.hostname, port: Number(url.port || 5432), user, password: decodeURIComponent(url.password), database: decodeURIComponent(url.pathname.slice(1)) || user, connectionString: text, ...(hosts.length > 1 ? { hosts: hosts.map(addressOf) } : {}) }
}

/**
 * What the driver takes these modes for, and is going to take for less (topology/topology.ts says what they mean here): said by their own name, it does
 * not warn. Who asks for libpq's meaning gets it.
 */
function withTls(url: string): string { return url.includes('uselibpqcompat=true') ? url : url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full') }

const authority = /^(\w+:\/\/(?:[^@/]*@)?)([^/?]+)/

/** Of one cluster, as libpq has them: `one:5432,two:5432`. */
function hostsIn(url: string): string[] { return authority.exec(url)?.[2]?.split(',') ?? [] }

function oneHost(url: string, [first = '']: readonly string[]): string { return url.replace(authority, (_all, before: string) => `${before}${first}`) }

function addressOf(host: string): Address {
  const [, name = host, port] = /^(.*?)(?::(\d+))?$/.exec(host) ?? []
  return { host: name, port: Number(port ?? 5432) }
}

/** The same place, as somebody else. */
export function asRole(connection: Connection, { user, password }: { readonly user: string; readonly password: string }): Connection {
  const { connectionString, ...rest } = connection
  if (connectionString === undefined) return { ...rest, user, password }
  const as = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  return { ...rest, user, password, connectionString: connectionString.replace(/^(\w+:\/\/)(?:[^@/]*@)?/, (_all, scheme: string) => `${scheme}${as}`) }
}

/** The same server, as the same user, in another database. */
export function inDatabase(connection: Connection, database: string): Connection {
  if (connection.connectionString === undefined) return { ...connection, database }
  const path = `/${encodeURIComponent(database)}`
  // What it says counts more than what stands beside it. It may name several hosts, and is then no URL for `URL`.
  return { ...connection, database, connectionString: connection.connectionString.replace(/^(\w+:\/\/[^/?]*)(?:\/[^?]*)?/, (_all, before: string) => `${before}${path}`) }
}
