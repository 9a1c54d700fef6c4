/** The embedded Postgres, asked past the shop: its port and its password stand in the data directory. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'

export async function sql<Row extends pg.QueryResultRow>(directory: string, text: string): Promise<Row[]> {
  const postgres = join(directory, 'postgres')
  const [port, password] = await Promise.all([
    readFile(join(postgres, 'cluster', 'postmaster.pid'), 'utf8').then((lines) => Number(lines.split('\n')[3])), readFile(join(postgres, 'password'), 'utf8').then((line) => line.trim()),
  ])
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'shop', connectionTimeoutMillis: 5_000 })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}
