import pg from 'pg'
import { failed, type Random } from '../../base/index.ts'
import { clientOptions, type Connection } from '../pool.ts'
import { inDatabase } from '../url.ts'

const prefix = 'tenfold_scratch_'
/** On a scratch copy no statement has rows to work through. */
const trialTimeoutMs = 60_000

/**
 * An empty database of that server for as long as `work` takes, with a connection to it. What a killed process left is dropped by the next
 * one: each has, as long as it lives, a session that bears the database's name. Errors: `migration`, when the role may not make one.
 */
export async function withScratch<T>(admin: Connection, random: Random, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const name = `${prefix}${random.hex(8)}`
  const keeper = new pg.Client({ ...clientOptions(inDatabase(admin, 'postgres')), application_name: name })
  keeper.on('error', () => { /* told by the query that fails */ })
  await keeper.connect()
  try {
    await sweep(keeper)
    await createOn(keeper, name, admin.user)
    const client = new pg.Client({ ...clientOptions(inDatabase(admin, name)), options: `-c TimeZone=UTC -c statement_timeout=${trialTimeoutMs}` })
    client.on('error', () => { /* told by the query that fails */ })
    try {
      await client.connect()
      const { rows } = await client.query<{ here: string }>('select current_database() as here')
      if (rows[0]?.here !== name) throw failed('internal', `The scratch database ${name} was asked for, and ${rows[0]?.here} answered: nothing is tried there.`) // a pooler may have rules of its own
      return await work(client)
    } finally {
      await client.end().catch(() => {})
      await keeper.query(`drop database if exists ${name} with (force)`)
    }
  } finally {
    await keeper.end()
  }
}

async function createOn(keeper: pg.Client, name: string, user: string): Promise<void> {
  try {
    await keeper.query(`create database ${name} template template0`)
  } catch (cause) {
    if (!(cause instanceof pg.DatabaseError) || cause.code !== '42501') throw cause
    throw failed('migration', `Migrations are judged on a scratch database, and the role ${user} may not make one: alter role ${pg.escapeIdentifier(user)} createdb.`, { cause })
  }
}

async function sweep(keeper: pg.Client): Promise<void> {
  const { rows } = await keeper.query<{ datname: string }>(`select d.datname from pg_database d where d.datname like $1 and pg_has_role(d.datdba, 'usage')
    and not exists (select from pg_stat_activity a where a.application_name = d.datname)`, [`${prefix.replaceAll('_', '\\_')}%`])
  for (const { datname } of rows) await keeper.query(`drop database if exists ${pg.escapeIdentifier(datname)} with (force)`)
}
