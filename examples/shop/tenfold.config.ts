/** What `tenfold` runs: the shop, at stage 1, with its sandbox beside it and its catalogue filled. */
import { join } from 'node:path'
import { defineConfig } from 'tenfold/config'
import { app } from './app.ts'
import { fillCatalogue, teachRecommender } from './fill.ts'
import { makeAdmin } from './identity/identity.ts'
import { startOutside } from './outside.ts'

const env = process.env
const directory = env['TENFOLD_DATA'] ?? '.tenfold'

export default defineConfig({
  app,
  topology: {
    stage: 'single', data: directory, ports: { web: port('PORT', 3000), ops: port('OPS_PORT', 3001) },
    ...(env['SHOP_RATE_LIMIT'] === 'off' ? { rateLimit: 'off' } : {}),
    dependencies: { gateway: { url: 'env:SHOP_GATEWAY_URL' }, recommender: { url: 'env:SHOP_RECOMMENDER_URL' }, smtp: { url: 'env:SHOP_SMTP_URL' } },
  },
  help: '  --data FILE         fill the catalogue from an export in the columns of UCI\'s Online Retail\n  SHOP_ADMIN_EMAIL, SHOP_ADMIN_PASSWORD make an admin; SHOP_RATE_LIMIT=off takes the limits off',
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
    const [email, password] = [env['SHOP_ADMIN_EMAIL'], env['SHOP_ADMIN_PASSWORD']]
    if (email && password) await call(makeAdmin, { email, password })
  },
  ready: ({ web, ops }) => [
    `the shop   ${web}/v1/products   (${web}/openapi.json lists every route)`,
    `for ops    ${ops}/readyz   ${ops}/metrics   ${ops}/mails`,
    `try        curl '${web}/v1/products?limit=3&q=lamp'`,
  ],
})

function port(name: string, usual: number): number {
  const text = env[name]
  return text === undefined || text === '' ? usual : Number(text)
}
