import pg from 'pg'
import { systemRandom } from '../base/index.ts'
import { waitFor } from '../base/process.ts'
import { failed } from '../base/errors.ts'
import { testServer } from './server.ts'

/** How long who is connected may take to leave, in milliseconds. */
const leavingMs = 1_000

/** A real Postgres database for a test, or a trial, of a service that is not Tenfold's. */
export interface TestDatabase {
  /** `postgres://...`, as its owner. */
  readonly url: string
  /** Of a copy that replays 150 ms late. */
  readonly replicaUrl: string
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Ends what is still connected, and drops it. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * A database of one's own on the test server, which is started when first asked for and ends with this process. `sql` is run in it
 * first, and has arrived at the copy when this answers. Errors: `start`; the driver's.
 */
export async function testDatabase({ sql = '' }: { sql?: string } = {}): Promise<TestDatabase> {
  const { primary, replica } = await testServer()
  const name = `t_alone_${systemRandom.bytes(6).toString('hex')}`
  await onClient({ ...primary, database: 'postgres' }, (client) => client.query(`create database ${name}`))
  const query = <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) => onClient({ ...primary, database: name }, async (client) => (await client.query<Row>(text, values.length > 0 ? [...values] : undefined)).rows)
  if (sql) await query(sql)
  const [written] = await query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
  await arrival({ ...replica, database: name }, written?.lsn ?? '')
  const urlOf = ({ host, port, user, password }: typeof primary) => `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${name}`
  return {
    url: urlOf(primary), replicaUrl: urlOf(replica), query,
    [Symbol.asyncDispose]: () => onClient({ ...primary, database: 'postgres' }, async (client) => {
      // A pool of pg's says that it has ended before its connections are gone: ended by force, they would throw where nobody listens any more.
      await waitFor(async () => (await client.query('select from pg_stat_activity where datname = $1', [name])).rowCount === 0 || undefined, { timeoutMs: leavingMs })
      await client.query(`drop database if exists ${name} with (force)`)
    }),
  }
}

async function arrival(replica: pg.ClientConfig, lsn: string): Promise<void> {
  const look = () => onClient(replica, async (client) => (await client.query('select from pg_last_wal_replay_lsn() as at where at >= $1::pg_lsn', [lsn])).rowCount === 1 || undefined).catch(() => undefined)
  if (!await waitFor(look, { timeoutMs: 10_000 })) throw failed('start', 'The replica of the test server does not follow its primary: run the tests again.')
}

async function onClient<T>(config: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(config)
  client.on('error', () => { /* told by the query that fails */ })
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
