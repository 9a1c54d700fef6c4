import type { TestContext } from 'node:test'
import { testDatabase, type TestDatabase } from 'tenfold/testing'

/** A database with only that in it, dropped after the test; `closing` is for what the test opens on it. */
export async function emptyDatabase(context: Pick<TestContext, 'after'>, sql = ''): Promise<Pick<TestDatabase, 'url' | 'replicaUrl'> & { sql: TestDatabase['query']; closing(close: () => Promise<unknown>): void }> {
  const database = await testDatabase({ sql })
  const open: (() => Promise<unknown>)[] = []
  context.after(async () => {
    await Promise.allSettled(open.map((close) => close()))
    await database[Symbol.asyncDispose]()
  })
  return { url: database.url, replicaUrl: database.replicaUrl, sql: database.query, closing: (close) => { open.push(close) } }
}
