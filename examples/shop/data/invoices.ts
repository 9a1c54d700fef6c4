import { type Reading, readLines } from './online-retail.ts'
import { type Line, minutesOf } from './product-tally.ts'

/** A sale that can be placed as an order: what one customer bought at one time, one line a product. */
export interface Invoice { readonly number: string; readonly customer: string; /** Minutes since the epoch; undefined when the file's date is none. */ readonly atMinutes: number | undefined; readonly lines: ReadonlyMap<string, number> }

/** Why an invoice is not placed. */
export const skipReasons = { cancellation: 'cancellations', customer: 'with a line without a customer', empty: 'left without a line' } as const
/** Why a line is not. */
export const lineReasons = { unreadable: 'with too few or too many fields', quantity: 'with a quantity below 1', product: 'of no product' } as const

export interface Sales {
  /** By their time, those of one minute in the order of the file. */
  readonly invoices: readonly Invoice[]
  /** Invoices. */
  readonly skipped: Readonly<Record<keyof typeof skipReasons, number>>
  readonly leftOut: Readonly<Record<keyof typeof lineReasons, number>>
}

/**
 * Reads the invoices of a retailer's sales lines. One that starts with C is a cancellation; one of which a line has no customer cannot
 * be anybody's order. Lines that are of no product (`isProduct` knows the stock codes) or of less than one piece fall away, those of one
 * product are added up. Throws a DataFileError for a file that cannot be used.
 */
export async function readInvoices(file: string, isProduct: (stockCode: string) => boolean, onProgress?: Reading): Promise<Sales> {
  const known = new Map<string, { lines: Line[] }>()
  let unreadable = 0
  await readLines(file, (line) => {
    if (line === undefined || line.InvoiceNo === '') return void unreadable++
    const invoice = known.get(line.InvoiceNo)
    if (invoice) invoice.lines.push(line)
    else known.set(line.InvoiceNo, { lines: [line] })
  }, onProgress)

  const skipped = { cancellation: 0, customer: 0, empty: 0 }
  const leftOut = { unreadable, quantity: 0, product: 0 }
  const invoices: Invoice[] = []
  for (const [number, { lines }] of known) {
    if (number.startsWith('C')) { skipped.cancellation++; continue }
    if (lines.some(({ CustomerID }) => CustomerID === '')) { skipped.customer++; continue }
    const wanted = new Map<string, number>()
    for (const { StockCode, Quantity } of lines) {
      const quantity = /^[+-]?\d{1,9}$/.test(Quantity) ? Number(Quantity) : 0
      if (quantity < 1) leftOut.quantity++
      else if (!isProduct(StockCode)) leftOut.product++
      else wanted.set(StockCode, (wanted.get(StockCode) ?? 0) + quantity)
    }
    if (wanted.size === 0) skipped.empty++
    else invoices.push({ number, customer: lines[0]?.CustomerID ?? '', atMinutes: minutesOf(lines[0]?.InvoiceDate ?? ''), lines: wanted })
  }
  return { invoices: invoices.toSorted((one, other) => (one.atMinutes ?? -Infinity) - (other.atMinutes ?? -Infinity) || 0), skipped, leftOut }
}
