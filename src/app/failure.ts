import { type Duration, errorTable, failed, milliseconds, TenfoldError } from '../base/index.ts'
import { type Infer, jsonSchema, type Schema } from './schema.ts'
import type { Failure } from './procedure.ts'
import { stripper } from './validation.ts'

export type FailureStatus = 401 | 403 | 404 | 409 | 410 | 422

/** Makes an error of the application's own: its code, its HTTP status, its typed data and its sentence. */
export function makeFailure<const C extends string, S extends Schema>(
  code: C, options: { status: FailureStatus; data: S; message: (data: Infer<S>) => string },
): Failure<C, Infer<S>> {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(code)) throw failed('definition', `A failure has the code ${JSON.stringify(code)}: use small letters, digits and hyphens, such as 'short-stock'.`)
  if (Object.hasOwn(errorTable, code)) throw failed('definition', `A failure has the code ${code}, by which the platform knows an error of its own: use another.`)
  const strip = stripper(jsonSchema(options.data))
  const make = (data: Infer<S>, more: { retryAfter?: Duration; cause?: unknown } = {}) => new TenfoldError(
    code, { status: options.status, retryable: false, title: code.replaceAll('-', ' ') }, options.message(data),
    { data: strip(data), cause: more.cause, ...(more.retryAfter ? { retryAfterMs: milliseconds(more.retryAfter) } : {}) })
  return Object.assign(make, { code, status: options.status }) as Failure<C, Infer<S>>
}

/** What to throw when something is not there: 404 with the kind of thing and its id; `retryAfter` when it may come to be. */
export function notFound(what: string, id: string, options: { retryAfter?: Duration } = {}): TenfoldError {
  return failed('not-found', `There is no ${what} ${id}.`, { data: { what, id }, ...(options.retryAfter ? { retryAfterMs: milliseconds(options.retryAfter) } : {}) })
}
