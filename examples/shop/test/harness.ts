import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import type { Client } from 'tenfold/client'
import { testApp, type TestApp } from 'tenfold/testing'
import { app } from '../app.ts'
import { importProducts } from '../catalogue/importing.ts'
import { startSandbox } from '../sandbox/start.ts'

export type Shop = TestApp<typeof app>
export type ShopClient = Client<typeof app>
export const stages = ['plain', 'hostile'] as const

/** The world outside is one process for all tests of a file: real HTTP, real SMTP, with its faults. */
const directory = await mkdtemp(join(tmpdir(), 'shop-test-'))
export const outside = await startSandbox({ directory })
after(async () => {
  await outside.stop()
  await rm(directory, { recursive: true, force: true })
})

/** One body at every stage, on a shop with four products: 100 each of the first three, and one of the last. */
export function atEveryStage(name: string, body: (shop: Shop, context: TestContext) => Promise<void>): void {
  for (const stage of stages) {
    test(`${name} [${stage}]`, async (context) => {
      await setGateway('none')
      await using shop = await testApp(app, { stage, dependencies: { gateway: { url: outside.urls.gateway }, recommender: { url: outside.urls.recommender }, smtp: { url: outside.urls.smtp } } })
      if (stage === 'hostile') context.diagnostic(`seed ${shop.seed}`)
      await shop.call(importProducts, { products: ['LAMP', 'Red lamp', 'Mug 100%', 'Last chair'].map((title, index) => ({ sku: `1000${index}A`, name: title, price: 100 * (index + 1), stock: index === 3 ? 1 : 100 })) })
      await shop.settle()
      await body(shop, context)
    })
  }
}

let addresses = 0
/** An address that no other test writes to: the mailbox is shared by all of a file. */
export function address(name: string): string { return `${name}-${++addresses}@example.com` }

/** A customer with an account of their own, signed in through the routes. */
export async function customer(shop: Shop, email: string): Promise<{ id: string; client: ShopClient }> {
  const { id } = await shop.client()('POST /v1/users', { email, password: 'correct horse', name: 'Ann' })
  await shop.settle()
  return { id, client: shop.client({ id, role: 'user' }) }
}

export async function setGateway(fault: string): Promise<void> {
  await fetch(`${outside.urls.control}/gateway`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ fault }) })
}

export async function chargesOf(orderId: string): Promise<{ orderId: string; amount: number; times: number }[]> {
  const { charges } = await (await fetch(`${outside.urls.control}/gateway`)).json() as { charges: { orderId: string; amount: number; times: number }[] }
  return charges.filter((charge) => charge.orderId === orderId)
}

export async function mailsTo(recipient: string): Promise<{ messageId: string; subject: string; text: string }[]> {
  const mails = await (await fetch(`${outside.urls.control}/mails`)).json() as { to: string; messageId: string; subject: string; text: string }[]
  return mails.filter(({ to }) => to === recipient)
}
