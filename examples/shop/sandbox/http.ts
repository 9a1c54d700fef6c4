import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** A request, its body already read as JSON (undefined without one). */
export interface Asked { method: string; path: string; query: URLSearchParams; headers: IncomingHttpHeaders; body: unknown }

/** What is sent back, as JSON; `afterMs` holds it back for that long. */
export interface Answer { status: number; body: unknown; type?: string; afterMs?: number }

export type Handle = (asked: Asked) => Answer | Promise<Answer>

const maxBodyBytes = 16 * 1024 * 1024

/** RFC 9457 problem details. */
export function problem(status: number, title: string, detail: string): Answer {
  return { status, type: 'application/problem+json', body: { type: 'about:blank', title, status, code: title.toLowerCase().replaceAll(/[^a-z]+/g, '-'), detail } }
}

export function noSuchRoute(asked: Asked): Answer {
  return problem(404, 'There is no such thing', `There is no ${asked.method} ${asked.path} in the sandbox.`)
}

/** A plain HTTP server, not yet listening, that answers JSON. */
export function jsonServer(handle: Handle): Server {
  const server = createServer((request, response) => {
    // A caller that has gone must not hold its answer's timer.
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    respond(handle, request, response, gone.signal).catch(() => response.destroy())
  })
  // Longer than any caller's own pool keeps a connection, so that only a fault ever breaks one.
  server.keepAliveTimeout = 120_000
  return server
}

async function respond(handle: Handle, request: IncomingMessage, response: ServerResponse, gone: AbortSignal): Promise<void> {
  const answer = await answerTo(handle, request)
  if (answer.afterMs !== undefined) await delay(answer.afterMs, undefined, { signal: gone })
  if (gone.aborted) return
  const body = JSON.stringify(answer.body)
  response.writeHead(answer.status, { 'content-type': answer.type ?? 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

async function answerTo(handle: Handle, request: IncomingMessage): Promise<Answer> {
  let asked: Asked
  try {
    const url = new URL(request.url ?? '/', 'http://sandbox')
    const path = decodeURIComponent(url.pathname)
    const text = await readText(request)
    if (text === undefined) return problem(413, 'The request is too large', `A body may have ${maxBodyBytes} bytes.`)
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    asked = { method: request.method ?? 'GET', path, query: url.searchParams, headers: request.headers, body }
  } catch {
    return problem(400, 'The request could not be read', 'The URL or the JSON of the body is malformed.')
  }
  try {
    return await handle(asked)
  } catch (error) {
    return problem(500, 'The sandbox failed', error instanceof Error ? error.message : String(error))
  }
}

async function readText(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    // Read to its end even when it is too large: a caller who is still sending would not see the answer.
    bytes += chunk.length
    if (bytes <= maxBodyBytes) chunks.push(chunk)
  }
  return bytes > maxBodyBytes ? undefined : Buffer.concat(chunks).toString('utf8')
}
