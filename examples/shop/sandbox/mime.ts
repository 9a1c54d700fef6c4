/** The parts of a mail that a test looks at. */
export interface ParsedMail { messageId: string; subject: string; text: string }

interface Part { headers: Map<string, string>; body: string }

const maxDepth = 5

/** Reads a mail (RFC 5322, MIME): encoded subjects, quoted-printable and base64 bodies, the first plain text of a multipart. */
export function parseMail(raw: Buffer): ParsedMail {
  // Latin-1 keeps every byte as one character, until the part's own charset is known.
  const part = readPart(raw.toString('latin1'))
  const parts = textParts(part, maxDepth)
  const chosen = parts.find((candidate) => contentType(candidate).startsWith('text/plain')) ?? parts[0]
  return {
    messageId: part.headers.get('message-id') ?? '',
    subject: decodeHeader(part.headers.get('subject') ?? ''),
    text: chosen === undefined ? '' : decodeBody(chosen).replaceAll('\r\n', '\n').trimEnd(),
  }
}

function readPart(source: string): Part {
  const [, head = '', body = ''] = /^([\s\S]*?)(?:\r?\n\r?\n([\s\S]*))?$/.exec(source.replace(/^\r?\n/, '\n\n')) ?? []
  const headers = new Map<string, string>()
  for (const line of head.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    if (colon > 0 && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim())
  }
  return { headers, body }
}

function textParts(part: Part, depth: number): Part[] {
  const type = contentType(part)
  if (!type.startsWith('multipart/')) return type.startsWith('text/') ? [part] : []
  const boundary = parameter(part, 'boundary')
  if (boundary === undefined || depth === 0) return []
  const pieces = `\r\n${part.body}`.split(`\n--${boundary}`).slice(1).filter((piece) => !piece.startsWith('--'))
  return pieces.flatMap((piece) => textParts(readPart(piece.replace(/^[ \t]*\r?\n/, '').replace(/\r$/, '')), depth - 1))
}

function contentType(part: Part): string {
  return (part.headers.get('content-type') ?? 'text/plain').toLowerCase()
}

function parameter(part: Part, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}\\s*=\\s*(?:"([^"]*)"|([^;\\s]+))`, 'i').exec(part.headers.get('content-type') ?? '')
  return found?.[1] ?? found?.[2]
}

function decodeBody(part: Part): string {
  const encoding = (part.headers.get('content-transfer-encoding') ?? '').toLowerCase()
  return toText(decodeTransfer(part.body, encoding), parameter(part, 'charset') ?? 'utf-8')
}

function decodeTransfer(text: string, encoding: string): Buffer {
  if (encoding === 'base64') return Buffer.from(text, 'base64')
  if (encoding !== 'quoted-printable') return Buffer.from(text, 'latin1')
  return Buffer.from(unquote(text.replaceAll(/=[ \t]*\r?\n/g, '')), 'latin1')
}

function unquote(text: string): string {
  return text.replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** RFC 2047 encoded words; space between two of them is not part of the text. */
function decodeHeader(value: string): string {
  return toText(Buffer.from(value, 'latin1'), 'utf-8').replaceAll(/(=\?[^?]+\?[bq]\?[^?]*\?=)\s+(?==\?)/gi, '$1')
    .replaceAll(/=\?([^?*]+)(?:\*[^?]*)?\?([bq])\?([^?]*)\?=/gi, (_, charset: string, encoding: string, word: string) =>
      toText(encoding.toLowerCase() === 'b' ? Buffer.from(word, 'base64') : Buffer.from(unquote(word.replaceAll('_', ' ')), 'latin1'), charset))
}

function toText(bytes: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return bytes.toString('latin1') // a charset nobody knows is shown as it came
  }
}
