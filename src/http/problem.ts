import { STATUS_CODES } from 'node:http'
import { type ErrorCode, failed, isTenfoldError, TenfoldError } from '../base/index.ts'

/** RFC 9457 problem details, as this platform fills them. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string
  /** Where the fault is (a JSON pointer into the request, RFC 6901), and what is wanted there. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
  readonly data?: unknown
}

/** What the caller may know of an error. What is ours alone (a 500) says only that it happened, and under which id we find it. */
export function problemOf(error: unknown, requestId: string): { problem: Problem; retryAfterSeconds: number | undefined } {
  const known = isTenfoldError(error) && error.status !== 500 ? error : undefined
  const shown = known ?? failed('internal', `Something went wrong on our side. Ask for help with the request id ${requestId}.`)
  return {
    problem: {
      type: `https://tenfold.dev/errors#${shown.code}`, title: shown.title, status: shown.status, code: shown.code, detail: shown.message, requestId,
      ...(shown.faults ? { errors: shown.faults } : {}), ...(shown.data === undefined ? {} : { data: shown.data }),
    },
    retryAfterSeconds: shown.retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(shown.retryAfterMs / 1000)),
  }
}

/** Fastify's own refusals, Node's, and those of what the team mounts beside, in our words. */
export function frameworkFault(error: unknown): unknown {
  if (isTenfoldError(error)) return error
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message?: string }
  const of = (ours: ErrorCode, text: string): TenfoldError => failed(ours, text, { cause: error })
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': return of('too-large', 'The body is larger than this server takes.')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE': return of('unsupported-media-type', 'Send the body as application/json.')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH': return of('malformed', 'The body is not as long as its Content-Length says.')
    case 'FST_ERR_BAD_URL': return of('malformed', 'The path is not valid: check its percent-encoding.')
    case 'FST_ERR_MAX_PARAM_LENGTH': return of('uri-too-long', 'A part of the path is longer than this server takes.')
  }
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) return error
  if (code?.startsWith('FST_')) return of('malformed', 'The request could not be read.')
  // A plugin's own refusal keeps its status, and its sentence.
  const row = { status: statusCode, retryable: false, title: STATUS_CODES[statusCode] ?? 'The request was refused' }
  return new TenfoldError(row.title.toLowerCase().replaceAll(/[^a-z]+/g, '-'), row, message ?? row.title, { cause: error })
}
