import { basename } from 'node:path'
import { fills, importProducts, noteFill, productCount, productIds } from './catalogue/importing.ts'
import { DataFileError, readProducts } from './data/online-retail.ts'
import { syntheticCatalogue } from './data/synthetic.ts'
import { customerEmail, customerPassword, importCustomers } from './identity/importing.ts'
import { progressBar } from './progress.ts'
import type { Running } from 'tenfold'

const atOnce = 500
const synthetic = 'synthetic'
type Product = { sku: string; name: string; price: number; stock: number }

/** Fills an empty catalogue with the synthetic products, and goes on where that was interrupted; with a file, brings in what the file says, whatever is there. */
export async function fillCatalogue(call: Running['call'], file: string | undefined): Promise<void> {
  if (file !== undefined) return fillFrom(call, file)
  const known = await call(fills, {})
  const interrupted = known.find(({ source, finished }) => source !== synthetic && !finished)
  if (interrupted) process.stderr.write(`  the import of ${interrupted.source} was interrupted: give --data with that file once more, and it goes on\n`)
  else if (!known.some(({ finished }) => finished)) await importAll(call, 'filling the catalogue', synthetic, syntheticCatalogue())
}

async function fillFrom(call: Running['call'], file: string): Promise<void> {
  const bar = progressBar('reading the file', 1)
  const { products, customers, leftOut, lines } = await readProducts(file, (read, total) => bar.reach(read, total))
  bar.done(`${lines} lines`)
  if (products.length === 0) throw new DataFileError(`${file} has no product in it: a product is a stock code that begins with five digits, with a description and a positive price.`)
  const before = await call(productCount, {})
  await importAll(call, 'importing products', basename(file), products)
  const added = await call(productCount, {}) - before
  if (before > 0) process.stderr.write(`  ${added} of them are new; ${before} products were there already, and stay, with the stock that they have\n`)
  const accounts = await call(importCustomers, { emails: [...new Set(customers.map(customerEmail))], password: customerPassword })
  if (accounts > 0) process.stderr.write(`  ${accounts} accounts for its customers, such as ${customerEmail(customers[0] ?? '')}\n`)
  for (const { reason, count } of leftOut) process.stderr.write(`  left out   ${String(count).padStart(6)}  ${reason}\n`)
}

async function importAll(call: Running['call'], label: string, source: string, products: readonly Product[]): Promise<void> {
  await call(noteFill, { source, finished: false })
  const bar = progressBar(label, products.length)
  for (let start = 0; start < products.length; start += atOnce) {
    bar.advance(await call(importProducts, { products: products.slice(start, start + atOnce) }))
  }
  await call(noteFill, { source, finished: true })
  bar.done(`${products.length} products`)
}

/** The sandbox's recommender knows only what it was told since it started. */
export async function teachRecommender(call: Running['call'], url: string): Promise<void> {
  const ids = await call(productIds, { limit: 5_000 })
  await fetch(`${url}/ids`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(ids) })
}
