import { setImmediate as letOthersRun } from 'node:timers/promises'
import type PDFDocument from 'pdfkit'
import { formatPence } from './money.ts'
import { dateLine, fitted, printable } from './receipt-text.ts'

/** What a receipt shows of an order; amounts in pence. A line without a name shows its product's id. */
export interface ReceiptOrder {
  id: string
  total: number
  status: string
  items: readonly { productId: string; name?: string; quantity: number; price: number }[]
  placedAt?: Date | string
}

const page = { left: 50, right: 545.28, top: 50, bottom: 780, footer: 806 }
const column = { name: page.left, nameWidth: 270, quantity: 370, price: 455, total: page.right }
const rowHeight = 18
const ink = { text: '#1f2933', faint: '#7b8794', line: '#cbd2d9', band: '#f5f7fa' }

/**
 * The receipt of an order as a PDF (A4, as many pages as its lines need). The same order and name give the same bytes, since nothing in
 * it comes from the clock or from chance: a store that files contents by their hash keeps one copy however often this runs.
 */
export async function receiptPdf(order: ReceiptOrder, customerName?: string): Promise<Uint8Array> {
  const placedAt = dateOf(order.placedAt)
  // With its fonts it is some megabytes, and a process that makes no receipt does without.
  const { default: Pdf } = await import('pdfkit')
  // pdfkit derives the document's ID from these; left alone it would take the time of day. It cannot do without a date.
  const document = new Pdf({
    size: 'A4', margin: 0, bufferPages: true, lang: 'en-GB', displayTitle: true,
    info: { Title: `Receipt ${order.id}`, Creator: 'Tenfold shop', Producer: 'pdfkit', CreationDate: placedAt ?? new Date(0) },
  })
  const chunks: Buffer[] = []
  document.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = new Promise<void>((resolve, reject) => document.on('end', resolve).on('error', reject))

  let y = drawTableHead(document, drawHeader(document, order, placedAt, customerName))
  for (const [index, item] of order.items.entries()) {
    if (y + rowHeight > page.bottom) {
      // Laying out a thousand lines takes a while: other requests come in between.
      await letOthersRun()
      document.addPage()
      y = drawTableHead(document, page.top)
    }
    y = drawRow(document, item, index, y)
  }
  drawTotal(document, order.total, y)
  drawFooters(document, order.id)
  document.end()
  await ended
  return new Uint8Array(Buffer.concat(chunks))
}

function dateOf(value: Date | string | undefined): Date | undefined {
  const date = new Date(value ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? undefined : date
}

type Document = InstanceType<typeof PDFDocument>
interface Look { size?: number; bold?: boolean; color?: string; alignRight?: boolean; width?: number }

/** One line of text at a place, cut to `width`; pdfkit's own wrapping is slow, and would begin pages by itself. */
function put(document: Document, value: string, x: number, y: number, look: Look = {}): void {
  document.font(look.bold === true ? 'Helvetica-Bold' : 'Helvetica').fontSize(look.size ?? 9.5).fillColor(look.color ?? ink.text)
  const text = fitted(document, printable(value), look.width ?? page.right - page.left)
  document.text(text, look.alignRight === true ? x - document.widthOfString(text) : x, y, { lineBreak: false })
}

function rule(document: Document, y: number): void {
  document.moveTo(page.left, y).lineTo(page.right, y).lineWidth(0.5).strokeColor(ink.line).stroke()
}

function drawHeader(document: Document, order: ReceiptOrder, placedAt: Date | undefined, customerName: string | undefined): number {
  put(document, 'Receipt', page.left, page.top, { size: 24, bold: true })
  put(document, 'Tenfold shop', page.right, page.top + 9, { size: 12, color: ink.faint, alignRight: true })
  const facts = [['Order', order.id], ['Placed', placedAt === undefined ? '' : dateLine(placedAt)], ['Status', order.status], ['Customer', customerName ?? '']] as const
  let y = page.top + 42
  for (const [label, value] of facts) {
    if (value === '') continue
    put(document, label, page.left, y, { color: ink.faint })
    put(document, value, page.left + 70, y, { width: page.right - page.left - 70 })
    y += 15
  }
  return y + 15
}

function drawTableHead(document: Document, y: number): number {
  const look = { bold: true, size: 9 }
  put(document, 'Product', column.name, y, look)
  put(document, 'Quantity', column.quantity, y, { ...look, alignRight: true })
  put(document, 'Price', column.price, y, { ...look, alignRight: true })
  put(document, 'Total', column.total, y, { ...look, alignRight: true })
  rule(document, y + 14)
  return y + 18
}

function drawRow(document: Document, item: ReceiptOrder['items'][number], index: number, y: number): number {
  if (index % 2 === 1) document.rect(page.left - 4, y - 3, page.right - page.left + 8, rowHeight).fill(ink.band)
  put(document, item.name ?? item.productId, column.name, y + 1.5, { width: column.nameWidth })
  put(document, String(item.quantity), column.quantity, y + 1.5, { alignRight: true })
  put(document, formatPence(item.price), column.price, y + 1.5, { alignRight: true })
  put(document, formatPence(item.price * item.quantity), column.total, y + 1.5, { alignRight: true })
  return y + rowHeight
}

/** It may stand a little lower than the last row could: below `bottom` there is room for it above the footer. */
function drawTotal(document: Document, total: number, y: number): void {
  rule(document, y)
  put(document, 'Total', column.name, y + 8, { bold: true, size: 11 })
  put(document, formatPence(total), column.total, y + 8, { bold: true, size: 11, alignRight: true })
}

/** Only now is it known how many pages there are. */
function drawFooters(document: Document, orderId: string): void {
  const { count } = document.bufferedPageRange()
  for (let index = 0; index < count; index++) {
    document.switchToPage(index)
    put(document, `Order ${orderId}`, page.left, page.footer, { width: 400, size: 8, color: ink.faint })
    put(document, `Page ${index + 1} of ${count}`, page.right, page.footer, { size: 8, color: ink.faint, alignRight: true })
  }
}
