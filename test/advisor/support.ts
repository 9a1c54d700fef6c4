import pg from 'pg'
import type { TestContext } from 'node:test'
import { readFileSync } from 'node:fs'
import { advise, availableOn, type StatementAdvice, throwawayWorkshop } from '../../src/ops/index.ts'
import { testDatabase } from '../../src/testing/index.ts'

export const plansSchema = readFileSync(new URL('./plans-schema.sql', import.meta.url), 'utf8')

/** A database of one's own with that schema, analyzed; and its adviser. */
export async function advised(context: Pick<TestContext, 'after'>, sql: string): Promise<{ client: pg.Client; ask(text: string): Promise<StatementAdvice> }> {
  const database = await testDatabase({ sql })
  const client = new pg.Client({ connectionString: database.url, options: '-c TimeZone=UTC' })
  client.on('error', () => {})
  await client.connect()
  context.after(async () => {
    await client.end()
    await database[Symbol.asyncDispose]()
  })
  await client.query('vacuum analyze')
  const available = await availableOn(client, { sameCollation: false })
  const workshop = await throwawayWorkshop(client)
  return { client, ask: (text) => advise(workshop, { text }, available) }
}

export const sqlsOf = ({ proposals }: Pick<StatementAdvice, 'proposals'>) => proposals.map(({ sql }) => sql.replace(/^create index concurrently \w+ on /, ''))
