import type { AppDefinition } from '../app/index.ts'
import { failed, type Fault, milliseconds, systemClock } from '../base/index.ts'
import { asRole, type Connection, connectionOf, type DataConfig, type DatabaseConfig, findPrimary, migrate, type MigrateOptions, type AppliedFile, verifyServers } from '../data/index.ts'
import { connectionNeeds, unsupported, type WiderTopology } from '../topology/index.ts'
import { applicationRole } from './embedded.ts'

/** The servers of a topology, as their URLs say: the primary as whoever may migrate, and all of them as the application. */
export interface Servers { readonly admin: Connection; readonly config: DatabaseConfig; readonly data: DataConfig }

/** Errors: `secret`, `topology`. */
async function serversOf({ data }: WiderTopology<any>, secret: Uint8Array): Promise<Servers> {
  const role = applicationRole(secret)
  const admin = await findPrimary(connectionOf(data.primary, 'data.primary'), systemClock)
  const ours = (reference: string, path: string) => asRole(connectionOf(reference, path), role)
  const pooled = (reference: string, path: string): Connection => ({ ...ours(reference, path), pooled: true })
  const config: DatabaseConfig = {
    name: admin.database, hasPlatform: true, primary: asRole(admin, role), replicas: (data.replicas ?? []).map((reference, index) => ours(reference, `data.replicas.${index}`)),
    pooler: data.pooler && { primary: pooled(data.pooler.primary, 'data.pooler.primary'), replicas: (data.pooler.replicas ?? []).map((reference, index) => pooled(reference, `data.pooler.replicas.${index}`)) },
  }
  return { admin, config, data: { databases: [config], pool: data.pool, replicas: data.lagLimit ? { lagLimitMs: milliseconds(data.lagLimit) } : {} } }
}

/** Migrates, and answers where everything is. Nothing is started: the servers are somebody else's to keep. Errors: `topology`, `secret`, `migration`. */
export async function openServers(topology: WiderTopology<any>, { app, secret, status }: { app: AppDefinition; secret: Uint8Array; status: (text: string) => void }): Promise<{ data: DataConfig; /** As whoever may migrate. */ address: Connection; lost: Promise<Error>; stop(): Promise<void> }> {
  const servers = await reachServers(app, topology, secret)
  await migrateServers(app, servers, secret, { status, starting: true })
  await assertPoolers(servers) // as the application's role, which the first migration makes
  return { data: servers.data, address: servers.admin, lost: new Promise(() => {}), async stop() {} }
}

/** Servers that are what the topology takes them for. Errors: `topology`, `secret`. */
export async function reachServers(app: AppDefinition, topology: WiderTopology<any>, secret: Uint8Array): Promise<Servers> {
  const later = unsupported(app, topology)
  if (later.length > 0) throw failed('topology', `The topology is valid, and this version cannot start it:\n${later.map(({ path, message }) => `  ${path} ${message}`).join('\n')}`, { faults: later })
  const servers = await serversOf(topology, secret)
  await assertServers(topology, servers)
  return servers
}

/** Whether the servers are what the topology takes them for. Errors: `topology`, with every fault. */
async function assertServers(topology: WiderTopology<any>, { admin, config }: Servers): Promise<void> {
  const needs = connectionNeeds(topology)
  const needed = (path: string) => { const need = needs.find((one) => one.path === path); return need ? { needed: need } : {} }
  assertNone(await verifyServers([
    { path: 'data.primary', role: 'primary', connection: admin, ...needed('data.primary') },
    ...config.replicas.map((replica, index) => { const path = `data.replicas.${index}`; return { path, role: 'replica' as const, connection: asAdmin(replica, admin), mayLead: (admin.hosts ?? []).some(({ host, port }) => host === replica.host && port === replica.port), ...needed(path) } }),
  ], systemClock))
}

/** Whether the poolers lead the application where they should. Errors: `topology`, with every fault. */
async function assertPoolers({ admin, config: { pooler } }: Servers): Promise<void> {
  if (!pooler) return
  const replicas = (pooler.replicas ?? []).flatMap((connection, index) => connection ? [{ path: `${replicaPoolers}.${index}`, role: 'replica' as const, connection }] : [])
  const ask = () => verifyServers([{ path: 'data.primary', role: 'primary', connection: admin }, { path: 'data.pooler.primary', role: 'pooler', connection: pooler.primary }, ...replicas], systemClock)
  let faults = await ask()
  for (const until = systemClock.monotonic() + replayMs; faults.length > 0 && faults.every(({ path }) => path.startsWith(replicaPoolers)) && systemClock.monotonic() < until;) {
    await systemClock.sleep(200)
    faults = await ask()
  }
  assertNone(faults)
}

const replicaPoolers = 'data.pooler.replicas'
/** A replica may not have replayed yet that the application's role was made, and PgBouncer asks a server that refused it only after 15 s again (`server_login_retry`). In milliseconds. */
const replayMs = 20_000

function assertNone(faults: readonly Fault[]): void {
  if (faults.length > 0) throw failed('topology', `The servers are not as the topology says:\n${faults.map(({ path, message }) => `  ${path} ${message}`).join('\n')}`, { faults })
}

/** Before the first migration the application's role is not there: a replica is asked as whoever asks the primary. */
function asAdmin(replica: Connection, { user, password }: Connection): Connection { return asRole(replica, { user, password }) }

export function migrateServers(app: AppDefinition, { admin }: Servers, secret: Uint8Array, { status, ...how }: { status: (text: string) => void } & Pick<MigrateOptions, 'dryRun' | 'starting'>): Promise<AppliedFile[]> {
  return migrate({ admin, ...how, onStatus: status, application: applicationRole(secret), modules: app.modules.values(), onFile: ({ module, file }) => status(`migrating ${module}/${file}`) })
}
