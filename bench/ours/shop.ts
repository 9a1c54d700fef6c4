/** The example shop, as `npm start` runs it, without its rate limits, and customers who are signed in. */
import { join } from 'node:path'
import { run } from '../../src/index.ts'
import { contend } from '../contender.ts'

await contend(async (given) => {
  Object.assign(process.env, { TENFOLD_DATA: join(given.directory, 'data'), PORT: '0', OPS_PORT: '0', SHOP_RATE_LIMIT: 'off' })
  const { default: config } = await import('../../examples/shop/tenfold.config.ts')
  const running = await run(config.app, config.topology, config.before ? { before: config.before } : {})
  const { web } = running.urls
  const post = async (path: string, body: object) => await (await fetch(`${web}/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json() as { accessToken: string }
  const tokens = await Promise.all(Array.from({ length: 16 }, async (_, index) => {
    const account = { email: `bench-${index}@example.com`, password: 'correct horse' }
    await post('/users', { ...account, name: 'Ann' })
    return (await post('/sessions', account)).accessToken
  }))
  return { about: { url: web, data: process.env['TENFOLD_DATA'], tokens, gateway: process.env['SHOP_GATEWAY_URL'] }, close: () => running.stop() }
})
