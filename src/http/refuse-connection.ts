import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { failed, isTenfoldError } from '../base/index.ts'
import type { Platform } from '../calls/index.ts'
import { securityHeaders } from './answer.ts'
import { problemOf } from './problem.ts'

/** How long a client has to take the refusal, before its connection is cut. */
const lingerMs = 1_000

interface ConnectionError extends Error { readonly code?: string; readonly rawPacket?: unknown }

/**
 * Where what came is no HTTP, or does not come at all, there is no request to answer, only a socket to write to: the same problem
 * details go there, and the connection is ended.
 */
export function refuseConnection({ tracer, clock, logs, metrics }: Platform, error: ConnectionError, socket: Socket & { _httpMessage?: { headersSent: boolean } }): void {
  // More of what was refused already.
  if (socket.destroyed || socket.writableEnded) return
  // Gone, or half an answer is on its way (Node's own default looks for it here): nothing more can be said.
  const { _httpMessage: answer } = socket
  if (error.code === 'ECONNRESET' || !socket.writable || answer?.headersSent) return void socket.destroy()
  const { traceId } = tracer.begin(undefined, 'HTTP', 'server')
  const { problem } = problemOf(faultOf(error), traceId)
  const body = JSON.stringify(problem)
  const headers = { ...securityHeaders, 'x-request-id': traceId, 'cache-control': 'no-store', 'content-type': 'application/problem+json; charset=utf-8', 'content-length': Buffer.byteLength(body), connection: 'close' }
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`)
  // Cut at once, the refusal could be lost behind what the client still sends.
  clock.after(lingerMs, () => { socket.destroy() })
  metrics.histogram('http_server_request_duration_seconds', 'Duration of HTTP requests', { http_request_method: '_OTHER', http_route: 'none', http_response_status_code: problem.status }).observe(0)
  logs.request({ traceId, method: '_OTHER', routeJson: '"none"', status: problem.status, durationMs: 0, address: socket.remoteAddress })
}

function faultOf(error: ConnectionError): Error {
  if (isTenfoldError(error)) return error
  const { code, rawPacket } = error
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      // The parser does not say which: a first line without an end was the URL.
      return /^[A-Z]+ [^ \r\n]{8000}/.test(Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1', 0, 9_000) : '') ? failed('uri-too-long', 'The URL is longer than this server takes.') : failed('headers-too-large', 'The headers are larger than this server takes.')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW': return failed('too-large', 'The extensions of a chunk are larger than this server takes.')
    case 'ERR_HTTP_REQUEST_TIMEOUT': return failed('request-timeout', 'The request did not arrive in time: send it without pauses.')
    default: return failed('malformed', 'The request is not valid HTTP.')
  }
}
