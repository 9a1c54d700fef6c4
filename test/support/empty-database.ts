/** A database with nothing in it, on the test server: what somebody else's service brings along. */
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import pg from 'pg'
import { waitFor } from '../../src/base/process.ts'
import { testServer } from '../../src/testing/server.ts'

export interface EmptyDatabase {
  readonly url: string
  /** Of a copy that replays 150 ms late. */
  readonly replicaUrl: string
  /** Closed before the database goes: what a test opens on it. */
  closing(close: () => Promise<unknown>): void
  /** As its owner. */
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
}

export async function emptyDatabase(context: Pick<TestContext, 'after'>, schema = ''): Promise<EmptyDatabase> {
  const { primary, replica } = await testServer()
  const name = `t_alone_${randomBytes(6).toString('hex')}`
  const asAdmin = async <T>(database: string, work: (client: pg.Client) => Promise<T>) => {
    const client = new pg.Client({ ...primary, database })
    client.on('error', () => { /* told by the query that fails */ })
    await client.connect()
    try { return await work(client) } finally { await client.end() }
  }
  await asAdmin('postgres', (client) => client.query(`create database ${name}`))
  const open: (() => Promise<unknown>)[] = []
  context.after(async () => {
    await Promise.allSettled(open.map((close) => close()))
    await asAdmin('postgres', (client) => client.query(`drop database if exists ${name} with (force)`))
  })
  if (schema) await asAdmin(name, (client) => client.query(schema))
  await onReplica({ ...replica, database: name }, (await asAdmin(name, (client) => client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn'))).rows[0]?.lsn ?? '')
  const urlOf = ({ host, port, user, password }: typeof primary) => `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${name}`
  return { url: urlOf(primary), replicaUrl: urlOf(replica), closing: (close) => { open.push(close) }, sql: (text, values) => asAdmin(name, async (client) => (await client.query(text, values)).rows as never) }
}

/** A test begins when the copy has what it begins with. */
async function onReplica(connection: pg.ClientConfig, lsn: string): Promise<void> {
  const there = await waitFor(async () => {
    const client = new pg.Client(connection)
    client.on('error', () => { /* told by the query that fails */ })
    try {
      await client.connect()
      return (await client.query('select from pg_last_wal_replay_lsn() as at where at >= $1::pg_lsn', [lsn])).rowCount === 1 || undefined
    } catch {
      return undefined // not there yet
    } finally {
      await client.end().catch(() => {})
    }
  }, { timeoutMs: 10_000 })
  if (!there) throw new Error('the replica does not follow')
}
