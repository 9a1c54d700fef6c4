import { type Clock } from '../base/clock.ts'

/**
 * When a request may be sent again. One is repeatable when its method is idempotent (RFC 9110, section 9.2.2), or when the server
 * answers for its idempotency key: then it may be sent again even where nobody knows what became of it. Any other is sent again only
 * when it was turned away at the door.
 */
export interface Asked { readonly method: string; /** The server is known to keep this request's key, or the caller says that twice does no harm. */ readonly isSafeTwice: boolean }

const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const passingStatus = new Set([408, 429, 502, 503, 504])
/** Conflicts that end by themselves: another is at work on the same request. */
const passingConflict = new Set(['in-progress', 'run-lost'])

export function isRepeatable({ method, isSafeTwice }: Asked): boolean {
  return isSafeTwice || idempotent.has(method)
}

/** Nobody was reached: what was to be sent was not, whatever it is. Browsers do not say so. */
const unreached = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])
export function neverArrived(error: unknown): boolean {
  return unreached.has(String((error as { cause?: { code?: unknown } } | undefined)?.cause?.code))
}

/** Whether a response asks to come again. `code` is its problem's. */
export function mayAskAgain(asked: Asked, status: number, code: string | undefined): boolean {
  if (status === 429 || (status === 503 && code === 'overloaded')) return true
  return isRepeatable(asked) && (passingStatus.has(status) || (status === 409 && passingConflict.has(code ?? '')))
}

/** What `Retry-After` says, seconds or a date (RFC 9110, section 10.2.3), in milliseconds; undefined where it says nothing. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs)
}

/** Sleeps, unless the caller gives up first: then rejects with its reason. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await clock.sleep(delayMs, signal)
  signal?.throwIfAborted()
}
