import pg from 'pg'
import { failed, reasonOf } from '../../base/errors.ts'
import { clientOptions, type Connection } from '../../data/index.ts'

/** A session of one's own, for who looks at a database from a terminal; told to leave, it breaks off what it is at. Errors: `database-unavailable`, with what the driver says. */
export async function connected(connection: Connection, signal?: AbortSignal): Promise<pg.Client> {
  const { types: _types, ...options } = clientOptions(connection)
  const client = new pg.Client({ ...options, application_name: 'tenfold db', options: '-c TimeZone=UTC' })
  client.on('error', () => { /* its next statement says so */ })
  try {
    await client.connect()
    const cut = () => void client.end()
    signal?.addEventListener('abort', cut, { once: true })
    if (signal?.aborted) cut()
    // What looks is not to be counted; who is no administrator may not say so.
    await client.query(`set pg_stat_statements.track = 'none'`).catch(() => {})
    return client
  } catch (cause) {
    throw failed('database-unavailable', `The database ${connection.database} at ${connection.host}:${connection.port} cannot be reached (${reasonOf(cause) || 'nobody listens there'}): see whether it runs, and whether its address, user and password are right.`, { cause })
  }
}
