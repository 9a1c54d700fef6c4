import { SMTPServer } from 'smtp-server'
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server'
import { openJournal } from './journal.ts'
import { parseMail } from './mime.ts'
import { listen } from './service.ts'

/** A mail as it was received; `to` and `from` are the addresses of the envelope, several separated by a comma and a space. */
export interface Mail { messageId: string; to: string; from: string; subject: string; text: string; receivedAt: string }

export interface Mailbox {
  readonly url: string
  /** Oldest first; a mail sent twice is there twice. */
  mails(): readonly Mail[]
  close(): Promise<void>
}

const maxMailBytes = 1024 * 1024
const maxTextCharacters = 16 * 1024
const maxClients = 1000

/** An SMTP server that takes every mail, keeps the last `limit` of them in `file` and in memory, and delivers none. */
export async function startMailbox(options: { file: string; port?: number; limit?: number }): Promise<Mailbox> {
  const limit = options.limit ?? 10_000
  const mails: Mail[] = []
  let lines = 0
  const journal = openJournal<Mail>(options.file, (mail) => {
    lines += 1
    mails.push(mail)
    if (mails.length > limit) mails.shift()
  })

  function keep(raw: Buffer, session: SMTPServerSession): void {
    const { messageId, subject, text } = parseMail(raw)
    const { mailFrom, rcptTo } = session.envelope
    const to = rcptTo.map((recipient) => recipient.address).join(', ')
    journal.append({
      messageId, to, from: mailFrom === false ? '' : mailFrom.address, subject, text: text.slice(0, maxTextCharacters), receivedAt: new Date().toISOString(),
    })
    // The file forgets as the memory does, but in large steps, since each is a copy.
    if (lines <= 2 * limit) return
    journal.rewrite(mails)
    lines = mails.length
  }

  function onData(stream: SMTPServerDataStream, session: SMTPServerSession, done: (error?: Error | null) => void): void {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => { if (!stream.sizeExceeded) chunks.push(chunk) })
    stream.on('end', () => {
      if (stream.sizeExceeded) return done(Object.assign(new Error(`A mail may have ${maxMailBytes} bytes.`), { responseCode: 552 }))
      try {
        keep(Buffer.concat(chunks), session)
        done()
      } catch (error) {
        done(Object.assign(error as Error, { responseCode: 451 }))
      }
    })
  }

  const listening = await listen(() => {
    const smtp = new SMTPServer({ authOptional: true, disabledCommands: ['AUTH', 'STARTTLS'], disableReverseLookup: true, size: maxMailBytes, maxClients, onData })
    smtp.on('error', () => {}) // a client that breaks off; unheard, it would end the process
    return smtp.server
  }, options.port)
  return { url: `smtp://127.0.0.1:${listening.port}`, mails: () => mails, close: () => listening.close() }
}
