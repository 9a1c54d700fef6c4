import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { receiptPdf, type ReceiptOrder } from './receipt.ts'
import { dateLine, fitted, printable } from './receipt-text.ts'

const order: ReceiptOrder = {
  id: '0193a1b2-7c3d-7e4f-8a5b-123456789abc', total: 123_456, status: 'paid', placedAt: '2010-12-05T08:26:00Z',
  items: [{ productId: 'p1', name: 'WHITE HANGING HEART T-LIGHT HOLDER', quantity: 484, price: 255 }, { productId: 'p2', quantity: 6, price: 6 }],
}

function ofLines(count: number): ReceiptOrder {
  return { ...order, items: Array.from({ length: count }, (_, index) => ({ productId: `p${index}`, name: `PRODUCT ${index}`, quantity: 1 + (index % 9), price: 50 + index })) }
}

/** The texts of the pages: pdfkit writes them as hexadecimal strings, in pieces that kerning sets apart. */
function textsOf(pdf: Uint8Array): string[] {
  const streams = Buffer.from(pdf).toString('latin1').matchAll(/\/FlateDecode\n>>\nstream\n([\s\S]*?)\nendstream/g)
  return Array.from(streams, ([, packed]) => inflateSync(Buffer.from(packed as string, 'latin1')).toString('latin1')).flatMap((content) =>
    Array.from(content.matchAll(/\[([^\]]*)\] TJ/g), ([, pieces]) =>
      Array.from((pieces as string).matchAll(/<([0-9a-f]*)>/g), ([, hex]) => Buffer.from(hex as string, 'hex').toString('latin1')).join('')))
}

test('the same order gives the same bytes, another one others', async () => {
  const [first, second] = await Promise.all([receiptPdf(order, 'Zoë'), receiptPdf(structuredClone(order), 'Zoë')])
  assert.deepEqual(first, second)
  assert.deepEqual(await receiptPdf({ ...order, placedAt: new Date('2010-12-05T08:26:00Z') }, 'Zoë'), first)
  assert.notDeepEqual(await receiptPdf(order, 'Zoe'), first)
  assert.notDeepEqual(await receiptPdf({ ...order, total: 1 }, 'Zoë'), first)
  const undated = { id: 'x', total: 0, status: 'paid', items: [] }
  assert.deepEqual(await receiptPdf(undated), await receiptPdf({ ...undated, placedAt: 'no date' }))
})

test('it shows the order, its lines with their totals, and the total', async () => {
  const texts = textsOf(await receiptPdf(order, 'Zoë Łęcka 李'))
  for (const text of ['Receipt', order.id, '5 December 2010, 08:26 UTC', 'paid', 'Zoë ?ecka ?', 'WHITE HANGING HEART T-LIGHT HOLDER', '484', '£2.55', '£1,234.20', 'p2', '£0.06', '£0.36', '£1,234.56', 'Page 1 of 1']) {
    assert.ok(texts.includes(text), `${text} in ${texts.join(' | ')}`)
  }
})

test('any number of lines, each on some page, under the head of a table', async () => {
  for (const [count, pages] of [[0, 1], [33, 1], [34, 2], [72, 2], [73, 3], [1000, 26]] as const) {
    const texts = textsOf(await receiptPdf(ofLines(count)))
    const shown = texts.filter((text) => text.startsWith('PRODUCT '))
    assert.deepEqual(shown, ofLines(count).items.map((item) => item.name), `${count}`)
    assert.equal(texts.filter((text) => text === 'Quantity').length, pages, `${count} lines`)
    assert.ok(texts.includes(`Page ${pages} of ${pages}`))
  }
})

test('what the fonts lack is replaced, never garbage', () => {
  assert.equal(printable('Zoë £5 – “fine”… €'), 'Zoë £5 – “fine”… €')
  assert.equal(printable('e\u0301 ńőş ﬁ ½ Ⅳ'), 'é nos fi ½ IV')
  assert.equal(printable('日本 😀 👨‍👩‍👧 a\tb\nc\u0000\u200Bd\u00ADe'), '?? ? ??? a b cde')
  assert.equal(printable('\uD800'), '?')
})

test('a long text is cut to its width', () => {
  const font = { widthOfString: (text: string) => text.length }
  assert.equal(fitted(font, 'exactly ten', 11), 'exactly ten')
  assert.equal(fitted(font, 'exactly ten', 9), 'exactly…')
  assert.equal(fitted(font, 'abc', 0), '…')
  assert.equal(dateLine(new Date('2024-02-29T23:05:59Z')), '29 February 2024, 23:05 UTC')
})
