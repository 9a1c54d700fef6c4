import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { testApp } from 'tenfold/testing'
import { app } from '../../examples/shop/app.ts'
import { appDefinition } from '../../src/app/index.ts'
import { noChromium, openChromium } from '../support/chromium.ts'

test('a browser shows every route of the shop, opens an operation, and asks nobody else', { skip: noChromium !== undefined && noChromium }, async () => {
  await using shop = await testApp(app)
  await shop.engine.server.listen({ host: '127.0.0.1', port: 0 })
  const origin = `http://127.0.0.1:${(shop.engine.server.server.address() as AddressInfo).port}`
  await using browser = await openChromium()
  const page = await browser.newPage()
  const asked: string[] = []
  const said: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  page.on('console', (message) => { if (message.type() === 'error' || message.type() === 'warning') said.push(message.text()) })
  page.on('pageerror', (error) => said.push(error.message))
  await page.goto(`${origin}/docs`)
  await page.locator('.opblock').first().waitFor()
  assert.equal(await page.title(), 'shop')

  const shown = await page.locator('.opblock').evaluateAll((blocks: { querySelector(selector: string): { textContent: string } | null }[]) =>
    blocks.map((block) => ['.opblock-summary-method', '.opblock-summary-path'].map((part) => block.querySelector(part)?.textContent.replaceAll(/[\u200B\s]/g, '')).join(' ')))
  assert.deepEqual(shown.toSorted(), appDefinition(app).routes.map(({ method, path }) => `${method} ${path}`).toSorted())

  const order = page.locator('.opblock', { has: page.locator('[data-path="/v1/orders"]') }).filter({ hasText: 'POST' })
  await order.locator('.opblock-summary-control').click()
  await order.getByText('Idempotency-Key').first().waitFor()
  await order.getByText('short-stock').first().waitFor()

  // Tried from the page, an operation is answered by this server.
  const list = page.locator('.opblock', { has: page.locator('[data-path="/v1/products"]') }).filter({ hasText: 'GET' })
  await list.locator('.opblock-summary-control').click()
  await list.getByRole('button', { name: 'Try it out' }).click()
  await list.getByRole('button', { name: 'Execute' }).click()
  await list.locator('.live-responses-table').getByText('"hasMore": false').first().waitFor()

  await page.locator('.auth-wrapper .authorize').click()
  await page.getByText('bearer (http, Bearer)').waitFor()
  await page.locator('.modal-ux .close-modal').click()

  if (process.env['TENFOLD_SCREENSHOT']) await page.screenshot({ fullPage: true, path: process.env['TENFOLD_SCREENSHOT'] })
  assert.deepEqual(asked.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith('data:')), [])
  assert.deepEqual(said, [])
})
