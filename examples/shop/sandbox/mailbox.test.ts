import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import nodemailer from 'nodemailer'
import { startMailbox, type Mailbox } from './mailbox.ts'

const directory = mkdtempSync(join(tmpdir(), 'tenfold-mailbox-'))
const opened: Mailbox[] = []
after(async () => {
  for (const mailbox of opened) await mailbox.close()
  rmSync(directory, { recursive: true })
})

async function open(file: string, limit = 10_000): Promise<Mailbox> {
  const mailbox = await startMailbox({ file: join(directory, file), limit })
  opened.push(mailbox)
  return mailbox
}

test('mails are read as they were written, however they were encoded', async () => {
  const mailbox = await open('read.jsonl')
  const transport = nodemailer.createTransport(mailbox.url)
  const long = `Thank you, Zoë: £12.34 = paid. ${'A long line without any end, '.repeat(20)}\n.\n..dots\n\nTrailing   \nend`
  await transport.sendMail({ messageId: '<one@shop>', from: 'The Shop <shop@example.com>', to: 'Zoë <zoe@example.com>', subject: 'Order 1', text: 'Hello' })
  await transport.sendMail({ messageId: '<two@shop>', from: 'shop@example.com', to: ['a@example.com', 'b@example.com'], subject: `Ünïcode £ ${'subject that is long '.repeat(8)}`, text: long, html: '<p>no</p>' })
  await transport.sendMail({ messageId: '<one@shop>', from: 'shop@example.com', to: 'a@example.com', subject: 'With a file', text: '日本語のメール', encoding: 'base64', attachments: [{ filename: 'receipt.pdf', content: Buffer.alloc(5000) }] })
  await transport.sendMail({ from: 'shop@example.com', to: 'a@example.com', subject: 'Only HTML', html: '<p>yes</p>' })
  const [one, two, three, four] = mailbox.mails()
  assert.deepEqual({ ...one, receivedAt: '' }, { messageId: '<one@shop>', to: 'zoe@example.com', from: 'shop@example.com', subject: 'Order 1', text: 'Hello', receivedAt: '' })
  assert.ok(Math.abs(Date.now() - Date.parse(one?.receivedAt ?? '')) < 60_000)
  assert.equal(two?.to, 'a@example.com, b@example.com')
  assert.equal(two?.subject, `Ünïcode £ ${'subject that is long '.repeat(8)}`)
  assert.equal(two?.text, long)
  assert.equal(three?.messageId, '<one@shop>', 'nothing is deduplicated')
  assert.equal(three?.text, '日本語のメール')
  assert.equal(four?.text, '<p>yes</p>')
  assert.deepEqual((await open('read.jsonl')).mails(), mailbox.mails(), 'kept in the file')
})

test('only the newest are kept, in memory and in the file', async () => {
  const mailbox = await open('bounded.jsonl', 3)
  const transport = nodemailer.createTransport(`${mailbox.url}?pool=true`)
  for (let n = 1; n <= 8; n++) await transport.sendMail({ from: 's@example.com', to: 'a@example.com', subject: `Mail ${n}`, text: '' })
  transport.close()
  assert.deepEqual(mailbox.mails().map((mail) => mail.subject), ['Mail 6', 'Mail 7', 'Mail 8'])
  assert.equal(readFileSync(join(directory, 'bounded.jsonl'), 'utf8').trim().split('\n').length, 4, 'the seventh made it shrink to three')
  assert.deepEqual((await open('bounded.jsonl', 3)).mails(), mailbox.mails())
})

test('a mail too large is refused, a client that breaks off harms nobody', async () => {
  const mailbox = await open('refused.jsonl')
  const transport = nodemailer.createTransport(mailbox.url)
  const large = { from: 's@example.com', to: 'a@example.com', subject: 'Large', text: 'x'.repeat(2 * 1024 * 1024) }
  await assert.rejects(transport.sendMail(large), { responseCode: 552 })
  const port = Number(new URL(mailbox.url).port)
  await new Promise<void>((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write('EHLO x\r\nMAIL FROM:<a@b>\r\n', () => socket.resetAndDestroy()))
    socket.once('close', () => resolve())
  })
  await transport.sendMail({ ...large, text: 'small' })
  assert.deepEqual(mailbox.mails().map((mail) => mail.text), ['small'])
})
