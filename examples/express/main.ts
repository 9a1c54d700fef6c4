/** `npm run example:express`: the service with its three tiers, on DATABASE_URL, or on a Postgres of its own that is gone when it ends. */
import { readFile } from 'node:fs/promises'
import { testDatabase } from 'tenfold/testing'
import { buildService } from './after.ts'

const databaseUrl = process.env['DATABASE_URL'] || (await testDatabase({ sql: await readFile(new URL('./schema.sql', import.meta.url), 'utf8') })).url
const { app, close } = await buildService({ databaseUrl, sendReceipt: async ({ id, customer }) => { process.stdout.write(`receipt of order ${id} sent to ${customer}\n`) } })
const port = Number(process.env['PORT'] || 3200)
const server = app.listen(port, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${port}`
  process.stdout.write(`ready at ${url}\n  try  curl ${url}/products/7\n       curl ${url}/orders -H 'content-type: application/json' -d '{"customer":"ann","productId":7,"quantity":2}'\n`)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { server.close(() => { void close().then(() => process.exit(0)) }) })
