import { ProblemError } from 'tenfold/client'
import { type Invoice, readInvoices, type Sales } from '../data/invoices.ts'
import { type ProgressBar } from '../progress.ts'
import { type ShopClient, type Shoppers } from './shoppers.ts'

export interface ReplayOptions {
  readonly file: string
  /** How many seconds of the file go by in one; Infinity: as fast as the shop answers. */
  readonly speed: number
  /** Orders under way at most. */
  readonly atOnce: number
  readonly bar: (label: string, total: number) => ProgressBar
  /** Aborted: no further order is begun, those under way are finished. */
  readonly signal: AbortSignal
}

/** What the shop said to all that was placed. Of the same file it is the same, however often the replay was interrupted. */
export interface Outcome {
  orders: number
  lines: number
  units: number
  /** Pence. */
  revenue: number
  /** Invoices that were not placed, or were refused, by reason. */
  readonly skipped: Record<string, number>
  /** Lines that fell away, by reason. */
  readonly leftOut: Sales['leftOut']
  /** Of each order, in milliseconds. */
  readonly latencies: number[]
  seconds: number
  finished: boolean
}

/** Places the file's invoices as orders, in their order of time. The invoice's number is the key: one that stands already is answered again. */
export async function replay(shoppers: Shoppers, { file, speed, atOnce, bar, signal }: ReplayOptions): Promise<Outcome> {
  const products = await productIds(shoppers.anyone)
  if (products.size === 0) throw new Error('The shop has no products: fill it from this file first, npm start -- --data FILE.')
  const reading = bar('reading the file', 1)
  const { invoices, skipped, leftOut } = await readInvoices(file, (code) => products.has(code), (read, total) => reading.reach(read, total))
  reading.done(`${invoices.length} invoices to place`)

  const outcome: Outcome = { orders: 0, lines: 0, units: 0, revenue: 0, skipped: { ...skipped }, leftOut, latencies: [], seconds: 0, finished: false }
  const progress = bar('replaying', invoices.length)
  const began = performance.now()
  const waiting = [...invoices]
  const first = invoices.find(({ atMinutes }) => atMinutes !== undefined)?.atMinutes ?? 0
  const dueIn = ({ atMinutes = first }: Invoice) => speed === Infinity ? 0 : (atMinutes - first) * 60_000 / speed - (performance.now() - began)
  const failures: unknown[] = []
  const worker = async () => {
    for (let invoice = waiting.shift(); invoice && !signal.aborted && failures.length === 0; invoice = waiting.shift()) {
      await until(dueIn(invoice), signal)
      if (signal.aborted) return void waiting.unshift(invoice)
      await place(shoppers, products, invoice, outcome).catch((error: unknown) => { failures.push(error) })
      progress.advance(1)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  if (failures.length > 0) throw failures[0]
  outcome.seconds = (performance.now() - began) / 1000
  outcome.finished = !signal.aborted || waiting.length === 0
  progress.done(`${outcome.orders} orders${outcome.finished ? '' : ', interrupted: run it again, and it goes on where it stopped'}`)
  return outcome
}

async function place(shoppers: Shoppers, products: ReadonlyMap<string, string>, { number, customer, lines }: Invoice, outcome: Outcome): Promise<void> {
  const items = [...lines].map(([code, quantity]) => ({ productId: products.get(code) ?? '', quantity }))
  const client = await shoppers.of(customer)
  const began = performance.now()
  try {
    const order = await client('POST /v1/orders', { items }, { idempotencyKey: `replay-${number}` })
    outcome.latencies.push(performance.now() - began)
    outcome.orders++
    outcome.lines += order.items.length
    outcome.units += order.items.reduce((sum, { quantity }) => sum + quantity, 0)
    outcome.revenue += order.total
  } catch (error) {
    // The shop's word on this one invoice is no end of the others.
    if (!(error instanceof ProblemError) || error.problem.status >= 500 || error.problem.status === 401) throw error
    outcome.skipped[error.problem.code] = (outcome.skipped[error.problem.code] ?? 0) + 1
  }
}

/** Stock code → product. */
async function productIds(client: ShopClient): Promise<Map<string, string>> {
  const ids = new Map<string, string>()
  for (let cursor: string | null | undefined; cursor !== null;) {
    const found = await client('GET /v1/products', { limit: 100, ...(cursor === undefined ? {} : { cursor }) })
    for (const { sku, id } of found.data) ids.set(sku, id)
    cursor = found.nextCursor
  }
  return ids
}

function until(delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const wake = () => { clearTimeout(timer); signal.removeEventListener('abort', wake); resolve() }
    const timer = setTimeout(wake, delayMs)
    signal.addEventListener('abort', wake)
  })
}
