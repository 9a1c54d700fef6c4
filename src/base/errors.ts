/**
 * Every error that the platform itself raises stands in this one table: its code, the HTTP status it becomes, whether the
 * same request may be sent again, and a title. `ERRORS.md` documents each; a test holds the two together.
 * Outside a process an error becomes RFC 9457 problem details (`http/problem.ts`).
 */
export const errorTable = {
  // what the caller sent
  'malformed': { status: 400, retryable: false, title: 'The request could not be read' },
  'invalid': { status: 422, retryable: false, title: 'The request is not valid' },
  'too-large': { status: 413, retryable: false, title: 'The request is too large' },
  'headers-too-large': { status: 431, retryable: false, title: 'The headers are too large' },
  'request-timeout': { status: 408, retryable: true, title: 'The request did not arrive in time' },
  'uri-too-long': { status: 414, retryable: false, title: 'The URL is too long' },
  'unsupported-media-type': { status: 415, retryable: false, title: 'The body is not of a type that this route reads' },
  'unauthenticated': { status: 401, retryable: false, title: 'Sign in first' },
  'forbidden': { status: 403, retryable: false, title: 'The caller may not do this' },
  'not-found': { status: 404, retryable: false, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, retryable: false, title: 'The resource has no such method' },
  'bad-cursor': { status: 400, retryable: false, title: 'The cursor is not one that this server gave out' },
  'rate-limited': { status: 429, retryable: true, title: 'Too many requests' },
  // idempotency keys and runs
  'key-required': { status: 400, retryable: false, title: 'The Idempotency-Key header is missing' },
  'key-reused': { status: 422, retryable: false, title: 'The idempotency key was used with another request' },
  'in-progress': { status: 409, retryable: true, title: 'The same request is still being worked on' },
  'step-changed': { status: 500, retryable: false, title: 'A step of a run was repeated with another input' },
  'step-named-twice': { status: 500, retryable: false, title: 'Two steps of a run have one name' },
  'run-lost': { status: 409, retryable: true, title: 'Another process has taken over this run' },
  'run-undone': { status: 409, retryable: false, title: 'The action was given up and undone' },
  // time and capacity
  'timeout': { status: 504, retryable: true, title: 'The time limit passed' },
  'outcome-unknown': { status: 504, retryable: true, title: 'It is not known whether the change was made' },
  'overloaded': { status: 503, retryable: true, title: 'The server is at its capacity' },
  'pool-exhausted': { status: 503, retryable: true, title: 'No database connection became free in time' },
  'contention': { status: 503, retryable: true, title: 'Too many concurrent changes of the same rows' },
  'database-unavailable': { status: 503, retryable: true, title: 'The database cannot be reached' },
  'dependency-unavailable': { status: 503, retryable: true, title: 'A service that this needs is not available' },
  // what is wrong with the application or its surroundings, found at definition or start
  'definition': { status: 500, retryable: false, title: 'The application is not defined correctly' },
  'topology': { status: 500, retryable: false, title: 'The topology is not valid' },
  'migration': { status: 500, retryable: false, title: 'The database cannot be migrated' },
  'start': { status: 500, retryable: false, title: 'The process cannot start' },
  'secret': { status: 500, retryable: false, title: 'A secret cannot be read' },
  'backup': { status: 500, retryable: false, title: 'A backup cannot be made, read or restored' },
  'usage': { status: 500, retryable: false, title: 'The command line is not understood' },
  'internal': { status: 500, retryable: false, title: 'Something went wrong inside the server' },
} as const satisfies Record<string, { status: number; retryable: boolean; title: string }>

export type ErrorCode = keyof typeof errorTable

/** One thing that is wrong: where (a JSON pointer or a setting's path), what, and what to do about it. */
export interface Fault { readonly path: string; readonly message: string }

export interface ErrorDetails {
  /** Data for programs; leaves the process with the error, so nothing internal belongs here. */
  readonly data?: unknown
  readonly faults?: readonly Fault[]
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

/**
 * An error with a code that programs can act on. `message` is one sentence for a person: the fault and the remedy.
 * `status` is an HTTP status; `retryAfterMs` is in milliseconds. Messages of the status 500 never leave the process.
 */
export class TenfoldError extends Error {
  override readonly name = 'TenfoldError'
  readonly code: string
  readonly status: number
  readonly retryable: boolean
  readonly title: string
  readonly data: unknown
  readonly faults: readonly Fault[] | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: string, row: { status: number; retryable: boolean; title: string }, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = row.status
    this.retryable = row.retryable
    this.title = row.title
    this.data = details.data
    this.faults = details.faults
    this.retryAfterMs = details.retryAfterMs
  }
}

/** The platform's own error of that code. */
export function failed(code: ErrorCode, message: string, details?: ErrorDetails): TenfoldError {
  return new TenfoldError(code, errorTable[code], message, details)
}

/** The platform's own trouble, which says nothing of the work that met it: that is done again, and no try of its is counted. */
export function isOutage(error: unknown): boolean {
  return isTenfoldError(error) && ['database-unavailable', 'pool-exhausted', 'outcome-unknown'].includes(error.code)
}

/** An error's own words, for a log line or a record of it. */
export function reasonOf(error: unknown): string { return error instanceof Error ? error.message : String(error) }

export function isTenfoldError(error: unknown, code?: string): error is TenfoldError {
  return error instanceof TenfoldError && (code === undefined || error.code === code)
}
