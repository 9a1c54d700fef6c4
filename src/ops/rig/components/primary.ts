import pg from 'pg'
import type { PostgresAddress } from '../base-backup.ts'
import { findEngine } from '../binaries.ts'
import type { Component, RunningComponent } from '../component.ts'
import { type PostgresOptions, type PostgresServer, startPostgres } from '../postgres.ts'
import { dropStaleSlots } from '../slots.ts'

/** A Postgres that takes writes. Its directory is stage 1's: an application that grows finds its rows. */
export interface PrimaryComponent extends Component {
  /** How to reach it, once it is ready. */
  address(): PostgresAddress
}

export interface PrimaryOptions {
  readonly directory: string
  readonly database: string
  readonly archive?: PostgresOptions['archive']
  /** Those that follow it: of others no log is kept. */
  readonly replicas?: readonly string[]
  /** Runs before anything else reaches it. */
  readonly ready?: (server: PostgresAddress) => Promise<void>
}

export function primaryComponent({ directory, database, archive, replicas = [], ready }: PrimaryOptions): PrimaryComponent {
  let server: PostgresServer | undefined
  return {
    name: 'primary', role: 'primary', needs: [],
    address() { return server as PostgresServer },
    async check() { await findEngine() },
    async prepare() {},
    async start(place) {
      server = await startPostgres({ directory, archive, port: await place.port(), onOutput: place.log, onStatus: (text) => place.log(`${text}\n`) })
      await makeDatabase(server, database)
      await dropStaleSlots(server, directory, replicas)
      await ready?.(server)
      return runningServer(server)
    },
    async destroy() { /* its rows are stage 1's too */ },
  }
}

export function runningServer(server: PostgresServer): RunningComponent {
  return { address: `${server.host}:${server.port}`, pid: server.pid, ended: server.exited.then(({ log }) => log), stop: () => server.stop() }
}

async function makeDatabase(server: PostgresServer, database: string): Promise<void> {
  const client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' })
  client.on('error', () => { /* told by the query that fails */ })
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database])
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(database)}`)
  } finally {
    await client.end()
  }
}
