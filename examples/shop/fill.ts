import { importProducts, productCount, productIds } from './catalogue/importing.ts'
import { readProducts } from './data/online-retail.ts'
import { syntheticCatalogue } from './data/synthetic.ts'
import { progressBar } from './progress.ts'
import type { Running } from 'tenfold'

const atOnce = 500
type Product = { sku: string; name: string; price: number; stock: number }

/** Fills an empty catalogue with the synthetic products; with a file, brings in what the file says, whatever is there. */
export async function fillCatalogue(call: Running['call'], file: string | undefined): Promise<void> {
  if (file === undefined) {
    if (await call(productCount, {}) === 0) await importAll(call, 'filling the catalogue', syntheticCatalogue())
    return
  }
  const bar = progressBar('reading the file', 1)
  const { products, leftOut, lines } = await readProducts(file, (read, total) => bar.reach(read, total))
  bar.done(`${lines} lines`)
  await importAll(call, 'importing products', products)
  for (const { reason, count } of leftOut) process.stderr.write(`  left out   ${String(count).padStart(6)}  ${reason}\n`)
}

async function importAll(call: Running['call'], label: string, products: readonly Product[]): Promise<void> {
  const bar = progressBar(label, products.length)
  for (let start = 0; start < products.length; start += atOnce) {
    bar.advance(await call(importProducts, { products: products.slice(start, start + atOnce) }))
  }
  bar.done(`${products.length} products`)
}

/** The sandbox's recommender knows only what it was told since it started. */
export async function teachRecommender(call: Running['call'], url: string): Promise<void> {
  const ids = await call(productIds, { limit: 5_000 })
  await fetch(`${url}/ids`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(ids) })
}
