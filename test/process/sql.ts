/** The shop's Postgres, asked past the shop: where it is stands in the data directory, of the embedded one or of a rig's cluster. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'

export async function sql<Row extends pg.QueryResultRow>(directory: string, text: string): Promise<Row[]> {
  const { ports, password } = await cluster(directory) ?? await embedded(join(directory, 'postgres'))
  for (const [index, port] of ports.entries()) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'shop', connectionTimeoutMillis: 5_000 })
    try {
      await client.connect()
      const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby')
      if (rows[0]?.standby === false) return (await client.query<Row>(text)).rows
    } catch (error) {
      if (index === ports.length - 1) throw error
    } finally {
      await client.end().catch(() => { /* it never opened */ })
    }
  }
  throw new Error(`None of ${ports.join(', ')} is a primary.`)
}

async function embedded(postgres: string): Promise<{ ports: number[]; password: string }> {
  const [lines, password] = await Promise.all([readFile(join(postgres, 'cluster', 'postmaster.pid'), 'utf8'), readFile(join(postgres, 'password'), 'utf8')])
  return { ports: [Number(lines.split('\n')[3])], password: password.trim() }
}

async function cluster(directory: string): Promise<{ ports: number[]; password: string } | undefined> {
  const url = await readFile(join(directory, 'rig', 'secrets', 'primary'), 'utf8').catch(() => '')
  const [, password = '', hosts = ''] = /^postgres:\/\/postgres:([^@]+)@([^/]+)\//.exec(url) ?? []
  return hosts.includes(',') ? { ports: hosts.split(',').map((host) => Number(host.split(':')[1])), password: decodeURIComponent(password) } : undefined
}
