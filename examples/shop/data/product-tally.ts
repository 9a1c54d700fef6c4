import { parsePence } from '../money.ts'
import type { NewProduct } from './synthetic.ts'

/** The columns of UCI's Online Retail, all of which must be there: a file without one is of another kind. */
export const columns = ['InvoiceNo', 'StockCode', 'Description', 'Quantity', 'InvoiceDate', 'UnitPrice', 'CustomerID', 'Country'] as const

/** A line of the file, by column, each value trimmed. */
export type Line = Record<(typeof columns)[number], string>

/** What came of a file: `lines` without the line of names; `leftOut` says what was not used, and how often. */
export interface RetailData { products: NewProduct[]; leftOut: { reason: string; count: number }[]; lines: number; /** Customer numbers, in the order in which the file first names them. */ customers: string[] }

/** What each `count` counts: its first word. Values are left out, not their lines: a line without a price may still name its product. */
const reasons = {
  fields: 'lines with too few or too many fields',
  noCode: 'lines without a stock code',
  service: 'lines whose stock code does not begin with five digits (postage, fees, adjustments)',
  longCode: 'lines whose stock code is longer than 40 characters',
  description: 'descriptions that are empty',
  priceForm: 'prices that are not a decimal number, or above £1,000,000',
  priceSign: 'prices below one penny',
  date: 'dates that are not month/day/year hour:minute (their prices count as the oldest)',
  quantity: 'quantities that are not a whole number',
  unpriced: 'products without a positive price',
  unnamed: 'products without a description',
  neither: 'products with neither a positive price nor a description',
} as const

const stock = 1_000_000
const longestCode = 40
const longestName = 500

interface Seen { names: Map<string, number>; price: number | undefined; pricedAt: number }

/**
 * Gathers products from lines, in the order of the file (the rules stand at `readProducts`). `take` gets undefined for a line that
 * does not fit the columns; `result` is asked once, at the end.
 */
export function newTally(): { take(line: Line | undefined): void; result(): RetailData } {
  const counts = new Map<string, number>()
  const codes = new Map<string, Seen>()
  const customers = new Set<string>()
  let lines = 0

  function leave(reason: keyof typeof reasons): void {
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }

  function take(line: Line | undefined): void {
    lines += 1
    if (line === undefined) return leave('fields')
    if (line.CustomerID !== '') customers.add(line.CustomerID)
    if (line.StockCode === '') return leave('noCode')
    if (!/^[0-9]{5}/.test(line.StockCode)) return leave('service')
    if (line.StockCode.length > longestCode) return leave('longCode')
    const seen: Seen = codes.get(line.StockCode) ?? { names: new Map(), price: undefined, pricedAt: -Infinity }
    codes.set(line.StockCode, seen)
    takeName(seen, line.Description)
    takePrice(seen, line.UnitPrice, line.InvoiceDate)
    // The rules for a product do not look at quantities; the importer of a wrong file should hear of them all the same.
    if (!/^[+-]?[0-9]+$/.test(line.Quantity)) leave('quantity')
  }

  function takeName(seen: Seen, description: string): void {
    const name = description.replaceAll(/\p{Control}+/gu, ' ').trim().slice(0, longestName)
    if (name === '') return leave('description')
    seen.names.set(name, (seen.names.get(name) ?? 0) + 1)
  }

  function takePrice(seen: Seen, unitPrice: string, invoiceDate: string): void {
    const date = minutesOf(invoiceDate)
    if (date === undefined) leave('date')
    const price = parsePence(unitPrice)
    if (price === undefined) return leave('priceForm')
    if (price <= 0) return leave('priceSign')
    if ((date ?? -Infinity) < seen.pricedAt) return
    seen.price = price
    seen.pricedAt = date ?? -Infinity
  }

  function result(): RetailData {
    const products: NewProduct[] = []
    for (const [sku, { names, price }] of codes) {
      const name = mostFrequent(names)
      if (name !== undefined && price !== undefined) products.push({ sku, name, price, stock })
      else leave(name !== undefined ? 'unpriced' : price !== undefined ? 'unnamed' : 'neither')
    }
    const leftOut = Object.entries(reasons).flatMap(([key, reason]) => counts.has(key) ? [{ reason, count: counts.get(key) as number }] : [])
    return { products, leftOut, lines, customers: [...customers] }
  }

  return { take, result }
}

/** A map keeps the order of first insertion, so the first of the largest counts is the earliest. */
function mostFrequent(names: ReadonlyMap<string, number>): string | undefined {
  let best: string | undefined
  for (const [name, count] of names) if (best === undefined || count > (names.get(best) as number)) best = name
  return best
}

/** Month/day/year hour:minute as a number that grows with time; undefined when it is no such date. */
export function minutesOf(text: string): number | undefined {
  const [month, day, year, hour, minute] = (/^(\d{1,2})\/(\d{1,2})\/(\d{4})[ \t]+(\d{1,2}):(\d{2})$/.exec(text) ?? []).slice(1).map(Number)
  if (month === undefined || day === undefined || year === undefined || hour === undefined || minute === undefined) return undefined
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute))
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour && minute < 60
  return isReal ? date.getTime() / 60_000 : undefined
}
