import pg from 'pg'
import type { Clock, Fault } from '../base/index.ts'
import { clientOptions, type Connection } from './pool.ts'

/** A server of a database, under the name of the setting that says where it is. A `pooler` leads to the primary; one that leads to a replica is asked as that. */
export interface ServerToVerify { readonly path: string; readonly role: 'primary' | 'replica' | 'pooler'; readonly connection: Connection; /** Connections that the topology's processes may open. */ readonly needed?: { readonly needed: number; readonly sum: string }; /** A replica that may be the primary after a failover: one of its hosts. */ readonly mayLead?: boolean }

/** `received_tli` of a standby, and what pipelines rely on; both tested. */
const oldest = 15
/** Who says what is due compares its clock with others'. */
const skewMsMax = 5_000
const connectMs = 5_000

interface Answer { readonly system: string; readonly startedAt: string; readonly isStandby: boolean; readonly version: number; readonly nowMs: number; readonly limit: number }

/**
 * Asks each server who it is, and answers every fault: not reached, not let in, no TLS, too old, a replica that is none or another
 * cluster's, a clock that is off, fewer connections than the topology needs. A replica that cannot be reached is no fault: it is left
 * out until it can be. A user who is not let in at the primary is told there alone, and not for each replica that has the same one.
 */
export async function verifyServers(servers: readonly ServerToVerify[], clock: Clock): Promise<Fault[]> {
  const answers = await Promise.all(servers.map(async (server) => ({ server, ...await ask(server, clock) })))
  const home = answers.find(({ server, answer }) => server.role === 'primary' && answer)
  const shutOut = answers.find(({ server, fault }) => server.role === 'primary' && fault?.isRefused)?.server.connection.user
  return answers.flatMap(({ server, answer, fault, skewMs }): Fault[] => {
    const { path, role, needed, mayLead = false, connection: { user } } = server
    if (fault?.isAway && role === 'replica') return []
    if (fault) return fault.isRefused && role !== 'primary' && user === shutOut ? [] : [{ path, message: fault.message }]
    if (!answer) return []
    const faults: string[] = []
    if (answer.version < oldest * 10_000) faults.push(`is Postgres ${Math.floor(answer.version / 10_000)}: upgrade it to ${oldest} or newer`)
    if (role === 'primary' && answer.isStandby) faults.push('is a standby, which takes no writes: name the primary, or all hosts of the cluster')
    if (role === 'pooler') faults.push(...throughPooler(answer, home?.answer))
    else if (role === 'replica' && home?.answer && answer.system !== home.answer.system) faults.push(`is a copy of another cluster (system identifier ${answer.system}, and the primary's is ${home.answer.system}): name a replica of this primary, or clone it anew`)
    else if (role === 'replica' && !answer.isStandby && !mayLead) faults.push(home?.answer?.startedAt === answer.startedAt ? 'is the primary itself: name a streaming replica, or leave it out' : 'is no standby, or was promoted: clone it anew from the primary, or leave it out')
    if (Math.abs(skewMs) > skewMsMax) faults.push(`has a clock that is ${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's: set both by NTP`)
    if (needed && needed.needed > answer.limit) faults.push(`would have ${needed.needed} connections (${needed.sum}) and takes ${answer.limit}: lower data.pool.max, put a pooler between, or raise its max_connections`)
    return faults.map((message) => ({ path, message }))
  })
}

function throughPooler({ system, isStandby }: Answer, home: Answer | undefined): string[] {
  if (home && system !== home.system) return [`leads to another cluster (system identifier ${system}, and that of data.primary is ${home.system}): correct where the pooler sends this database`]
  return isStandby ? ['leads to a standby, which takes no writes: let the pooler send this database to the primary'] : []
}

interface Refusal { readonly message: string; /** It may be there later. */ readonly isAway?: true; /** The user is not let in. */ readonly isRefused?: true }

async function ask({ role, connection }: ServerToVerify, clock: Clock): Promise<{ answer?: Answer; fault?: Refusal; skewMs: number }> {
  let client: pg.Client | undefined
  try {
    client = new pg.Client({ ...clientOptions(connection), connectionTimeoutMillis: connectMs, query_timeout: connectMs })
    client.on('error', () => { /* told by the query that fails */ })
    await client.connect()
    const before = clock.now()
    const { rows: [row] } = await client.query<{ system: string; started: string; standby: boolean; version: number; now: number; limit: number }>(`select
      (select system_identifier::text from pg_control_system()) as system, pg_postmaster_start_time()::text as started, pg_is_in_recovery() as standby,
      current_setting('server_version_num')::int as version, extract(epoch from clock_timestamp())::float8 * 1000 as now, current_setting('max_connections')::int as limit`)
    if (!row) return { skewMs: 0 }
    return { answer: { system: row.system, startedAt: row.started, isStandby: row.standby, version: row.version, nowMs: row.now, limit: row.limit }, skewMs: row.now - (before + clock.now()) / 2 }
  } catch (error) {
    return { fault: refusalOf(error as Error & { code?: string; path?: string }, role, connection), skewMs: 0 }
  } finally {
    await client?.end().catch(() => { /* it never opened */ })
  }
}

function refusalOf({ code, message, path }: Error & { code?: string; path?: string }, role: ServerToVerify['role'], { user, database, host, port }: Connection): Refusal {
  const where = `${host}:${port}`
  if (code === 'ENOENT' || code === 'EACCES') return { message: `names a file that cannot be read (${path}): correct sslrootcert, sslcert or sslkey` }
  // PgBouncer before 1.22 says 08P01 of all that it refuses.
  if (code === '28P01' || code === '28000' || /authentication failed/.test(message)) return { message: `lets ${user} not in at ${where} (${message}): ${role === 'pooler' ? `have it ask the server for passwords (auth_query), or name ${user} in its auth_file as the server knows it` : 'correct the user or its password'}`, isRefused: true }
  if (code === '3D000' || /no such database/.test(message)) return { message: `has no database ${database} at ${where}: create it, or correct its name` }
  if (code === '53300') return { message: `takes no more connections at ${where} (${message}): raise its max_connections, or close some` }
  if (/does not support SSL/.test(message)) return { message: `refuses TLS at ${where}: switch TLS on there, or leave sslmode out` }
  if (/self[- ]signed|certificate|altnames/i.test(message)) return { message: `has a certificate at ${where} that is not trusted (${message}): name its authority by sslrootcert, or correct the host name` }
  if (code === '57P03') return { message: `is still starting at ${where}: wait, and start again`, isAway: true }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return { message: `is on a host that has no address (${where}): correct the name`, isAway: true }
  return { message: `cannot be reached at ${where} (${code?.startsWith('E') ? code : message}): start it, or correct the address`, isAway: true }
}
