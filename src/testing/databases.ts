import pg from 'pg'
import type { AppDefinition } from '../app/index.ts'
import { fingerprint, systemClock, systemRandom } from '../base/index.ts'
import { type DatabaseConfig, migrate } from '../data/index.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { testServer } from './server.ts'

/** The role that the application runs as; only this machine's test server knows it. */
const application = { user: 'tenfold_app', password: 'tenfold' }

export interface TestDatabases { readonly configs: readonly DatabaseConfig[]; drop(): Promise<void> }

/** Fresh databases for one test, cloned from a template that was migrated once; with a delayed replica each, where asked. */
export async function createTestDatabases(app: AppDefinition, names: readonly string[], replicas: boolean): Promise<TestDatabases> {
  const server = await testServer()
  const admin = { ...server.primary, database: 'postgres' }
  const template = await templateOf(app, admin)
  const suffix = systemRandom.bytes(6).toString('hex')
  const databases = names.map((name) => ({ name, database: `t_${name}_${suffix}` }))
  await withClient(admin, async (client) => {
    for (const { database } of databases) await client.query(`create database ${database} template ${template} strategy file_copy`)
  })
  const connect = (place: { host: string; port: number }, database: string) => ({ host: place.host, port: place.port, ...application, database })
  if (replicas) await Promise.all(databases.map(({ database }) => untilThere(connect(server.replica, database))))
  return {
    configs: databases.map(({ name, database }) => ({ name, primary: connect(server.primary, database), replicas: replicas ? [connect(server.replica, database)] : [], hasPlatform: true })),
    drop: () => withClient(admin, async (client) => { for (const { database } of databases) await client.query(`drop database if exists ${database} with (force)`) }),
  }
}

type Admin = { host: string; port: number; user: string; password: string; database: string }

/** Named by what its migrations say, so that test processes share it and a changed file gets a new one. */
const templates = new Map<string, Promise<string>>()
function templateOf(app: AppDefinition, admin: Admin): Promise<string> {
  const platform = [{ name: 'tenfold', migrations: new URL('../data/migrations/', import.meta.url), shardKey: undefined }]
  const sources = [...platform, ...app.modules.values()].map(({ name, migrations, shardKey }) => {
    try {
      return [name, shardKey, readdirSync(migrations).toSorted().map((file) => [file, readFileSync(new URL(file, migrations), 'utf8')])]
    } catch { return [name, shardKey] } // a module without tables
  })
  const name = `template_${fingerprint(sources)}`
  let made = templates.get(name)
  if (!made) templates.set(name, made = makeTemplate(app, admin, name))
  return made
}

async function makeTemplate(app: AppDefinition, admin: Admin, name: string): Promise<string> {
  await withClient(admin, async (client) => {
    await client.query('select pg_advisory_lock(7010080)')
    const { rowCount } = await client.query('select from pg_database where datname = $1 and datistemplate', [name])
    if (rowCount !== 0) return
    await client.query(`drop database if exists ${name}`)
    await client.query(`create database ${name}`)
    await migrate({ admin: { ...admin, database: name }, application, modules: app.modules.values() })
    await client.query(`alter database ${name} is_template true`)
  })
  return name
}

async function withClient<T>(connection: Admin, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connection)
  client.on('error', () => { /* told by the query that fails */ })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** A replica replays later: a test begins when its databases are there. */
async function untilThere(connection: Admin): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await withClient(connection, async (client) => { await client.query('select 1') })
    } catch (error) {
      if (attempt > 500) throw error
      await systemClock.sleep(20)
    }
  }
}
