/** What `tenfold` runs: the shop, at stage 1, with its sandbox beside it and its catalogue filled. */
import { join } from 'node:path'
import { defineConfig } from 'tenfold/config'
import { app } from './app.ts'
import { checkDataFile } from './data/online-retail.ts'
import { fillCatalogue, teachRecommender } from './fill.ts'
import { makeAdmin } from './identity/identity.ts'
import { startOutside } from './outside.ts'

const env = process.env
const directory = env['TENFOLD_DATA'] || '.tenfold'

export default defineConfig({
  app,
  topology: {
    stage: 'single', data: directory, ports: { web: port('PORT', 3000), ops: port('OPS_PORT', 3001) },
    ...(env['SHOP_RATE_LIMIT'] === 'off' ? { rateLimit: 'off' } : {}),
    // As OpenTelemetry names it: the address of a collector.
    ...(env['OTEL_EXPORTER_OTLP_ENDPOINT'] ? { tracing: { endpoint: env['OTEL_EXPORTER_OTLP_ENDPOINT'] } } : {}),
    ...(env['SHOP_BACKUP'] ? { backup: { to: env['SHOP_BACKUP'], loseAtMost: (env['SHOP_BACKUP_LOSE_AT_MOST'] || '60s') as '60s' } } : {}),
    dependencies: { gateway: { url: 'env:SHOP_GATEWAY_URL' }, recommender: { url: 'env:SHOP_RECOMMENDER_URL' }, smtp: { url: 'env:SHOP_SMTP_URL' } },
  },
  help: '  --data FILE         fill the catalogue from an export in the columns of UCI\'s Online Retail\n  SHOP_ADMIN_EMAIL, SHOP_ADMIN_PASSWORD make an admin; SHOP_RATE_LIMIT=off takes the limits off\n  SHOP_BACKUP=FOLDER (or s3://bucket/prefix) backs the database up',
  // Told before anything is made or started.
  async check({ values }) {
    admin()
    if (values['data'] !== undefined) await checkDataFile(String(values['data']))
  },
  async before({ directory: data }) {
    const outside = await startOutside(join(data, 'sandbox'))
    env['SHOP_GATEWAY_URL'] = outside.urls.gateway
    env['SHOP_RECOMMENDER_URL'] = outside.urls.recommender
    env['SHOP_SMTP_URL'] = outside.urls.smtp
    return { close: () => outside.stop() }
  },
  options: { data: { type: 'string' } },
  async prepare({ call, values }) {
    await fillCatalogue(call, values['data'] as string | undefined)
    await teachRecommender(call, env['SHOP_RECOMMENDER_URL'] ?? '')
    const wanted = admin()
    if (wanted) await call(makeAdmin, wanted)
  },
  ready: ({ web, ops }) => [
    `the shop   ${web}/v1/products   (${web}/docs shows every route)`,
    `for ops    ${ops}/readyz   ${ops}/metrics   ${ops}/mails`,
    `try        curl '${web}/v1/products?limit=3&q=lamp'`,
  ],
})

function port(name: string, usual: number): number {
  const text = env[name]?.trim() ?? ''
  if (text !== '' && !/^\d{1,5}$/.test(text)) throw new Error(`${name} is ${JSON.stringify(text)}: set it to a port from 1 to 65535.`)
  return text === '' ? usual : Number(text)
}

/** Who may change prices, as the environment says. */
function admin(): { email: string; password: string } | undefined {
  const [email, password] = [env['SHOP_ADMIN_EMAIL'] ?? '', env['SHOP_ADMIN_PASSWORD'] ?? '']
  if (email === '' && password === '') return undefined
  if (!/^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(email)) throw new Error(`SHOP_ADMIN_EMAIL is ${JSON.stringify(email)}, and SHOP_ADMIN_PASSWORD is set: set both, the first to an e-mail address.`)
  if (password.length < 8 || password.length > 200) throw new Error(`SHOP_ADMIN_PASSWORD has ${password.length} characters: set one with 8 to 200.`)
  return { email, password }
}
