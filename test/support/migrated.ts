import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { migrate, type MigrateOptions } from '../../src/data/index.ts'
import { testServer } from '../../src/testing/server.ts'

export type Server = Omit<MigrateOptions['admin'], 'database'>

/** A database of its own, and a module `things` with a folder to write migrations into. */
export async function migrated(context: TestContext, { shardKey, server }: { shardKey?: string; server?: Server } = {}) {
  const place = server ?? (await testServer()).primary
  const name = `migrations_${process.pid}_${Math.floor(performance.now() * 1000)}`
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  const admin = { ...place, database: name }
  context.after(async () => {
    await rm(folder, { recursive: true })
    await query({ ...place, database: 'postgres' }, `drop database if exists ${name} with (force)`)
  })
  const options: MigrateOptions = { admin, create: true, application: { user: 'tenfold_app', password: 'tenfold' }, modules: [{ name: 'things', migrations: pathToFileURL(`${folder}/`), shardKey }] }
  return {
    admin, folder, options,
    write: (file: string, sql: string) => writeFile(join(folder, file), sql), remove: (file: string) => rm(join(folder, file)),
    migrate: async (more: Partial<MigrateOptions> = {}) => (await migrate({ ...options, ...more })).filter(({ module }) => module === 'things').map(({ file }) => file),
    rows: <Row = unknown>(sql: string) => query<Row>(admin, sql),
    /** A connection that is ended with the test. */
    async connect() {
      const client = new pg.Client(admin)
      client.on('error', () => { /* the database is dropped under it */ })
      await client.connect()
      context.after(() => client.end())
      return client
    },
  }
}

async function query<Row>(connection: pg.ClientConfig, sql: string): Promise<Row[]> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end()
  }
}
