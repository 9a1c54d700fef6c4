import pg from 'pg'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'

/** A restored database's role has the password that came of another secret, as has one whose secret was deleted: it is given that of this one. Where there is no such role yet, nothing is done. */
export async function keepRolePassword(server: PostgresAddress, database: string, application: { readonly user: string; readonly password: string }): Promise<void> {
  const { host, port } = server
  const refused = await session({ host, port, database, ...application }, async () => false).catch((error: { code?: string }) => error.code === '28P01')
  if (!refused) return
  await session({ ...server, database }, async (client) => {
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [application.user])
    if (rowCount === 1) await client.query(`alter role ${pg.escapeIdentifier(application.user)} password ${pg.escapeLiteral(application.password)}`)
  })
}

async function session<T>(options: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, user, password, database } = options
  const client = new pg.Client({ host, port, user, password, database, connectionTimeoutMillis: 5_000 } as pg.ClientConfig)
  client.on('error', () => {}) // whoever waits for an answer gets it too
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end()
  }
}
