import type { Api, FileRef } from '../app/index.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { backoffMs } from '../base/backoff.ts'
import { webRandom } from '../base/web-random.ts'
import { isRepeatable, mayAskAgain, neverArrived, pause, retryAfterMs } from './retry.ts'

type InOf<X> = X extends { in: infer In } ? In : never
type ErrorsOf<X> = X extends { errors: infer E } ? E : never
type OutOf<X> = X extends { out: infer Out } ? (Out extends FileRef ? Response : Out) : never

/** What the platform itself may answer, beside the errors that a procedure declares. */
export interface PlatformProblem { code: 'invalid' | 'unauthenticated' | 'forbidden' | 'not-found' | 'rate-limited' | 'overloaded' | 'timeout' | 'in-progress' | 'key-reused' | 'key-required' | 'bad-cursor' | 'internal'; data?: undefined }

export interface CallOptions {
  idempotencyKey?: string
  /** A POST or PATCH that does no harm when it is done twice, such as signing in: it is sent again like a GET. */
  repeatable?: boolean
  signal?: AbortSignal
}

/** `shop('POST /v1/orders', { items })`: its routes, inputs, answers and errors follow from the application's type. */
export interface Client<A> {
  <R extends keyof Api<A> & string>(route: R, input: InOf<Api<A>[R]>, options?: CallOptions): Promise<OutOf<Api<A>[R]>>
  /** The same; a problem is answered, not thrown. */
  try<R extends keyof Api<A> & string>(route: R, input: InOf<Api<A>[R]>, options?: CallOptions): Promise<{ ok: true; answer: OutOf<Api<A>[R]> } | { ok: false; problem: (ErrorsOf<Api<A>[R]> | PlatformProblem) & { status: number; detail: string } }>
}

export interface ClientOptions {
  readonly baseUrl: string
  readonly token?: () => string | undefined | Promise<string | undefined>
  /** `fetch` unless told. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
  /** How often a request is sent at most (4). Again after a pause that grows, with full jitter; or as `Retry-After` says. */
  readonly tries?: number
  /** A pause longer than this, in milliseconds (30,000), is not waited for: what the server said is thrown instead. */
  readonly pauseMsMax?: number
  /** Of one try, in milliseconds (30,000). */
  readonly timeoutMs?: number
  /** Makes the key of a POST or PATCH that was given none (a random UUID); undefined sends none. */
  readonly makeKey?: () => string | undefined
  /** Headers that go with every request; asked for at each try. */
  readonly headers?: () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  readonly clock?: Clock
}

/** A problem document (RFC 9457), thrown. `code` is what to act on; `data` is typed by the failure that made it. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: { code: string; status: number; detail: string; data?: unknown; errors?: readonly { path: string; message: string }[] }
  constructor(problem: ProblemError['problem']) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`)
    this.problem = problem
  }
}

/** No answer at all: the connection failed, or the time limit of the last try passed. `cause` says which. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
  readonly tries: number
  constructor(route: string, tries: number, cause: unknown) {
    super(`${route} was not answered (${tries} ${tries === 1 ? 'try' : 'tries'}): ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.tries = tries
  }
}

/** More of them than this are of as many calls at once; the server reads no more. */
const positionsSentMax = 16

/**
 * A client of an application, typed by it: `createClient<typeof app>({ baseUrl })`. It carries the caller's position from answer to
 * request, gives each POST and PATCH a key, and sends again what may be sent again. Errors: `ProblemError`, `NoAnswerError`, and
 * whatever `signal` was aborted with.
 */
export function createClient<A>(options: ClientOptions): Client<A> {
  const { fetch: send = fetch, tries = 4, pauseMsMax = 30_000, timeoutMs = 30_000, makeKey = webRandom.uuid, clock = systemClock } = options
  // Answers may come back in another order than they were asked for: each token stays until one that was made knowing of it.
  let positions: readonly string[] = []
  /** Routes whose answers named the key: the server keeps what it answers there. */
  const keeping = new Set<string>()

  const once = async (route: string, { method, url, body }: Request, key: string | undefined, signal: AbortSignal | undefined): Promise<Answer> => {
    const token = await options.token?.()
    const sent = positions
    const headers = {
      ...await options.headers?.(), ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(key === undefined ? {} : { 'idempotency-key': key }), ...(sent.length === 0 ? {} : { 'tenfold-consistency': sent.join(', ') }),
    }
    const late = new AbortController()
    const cancel = clock.after(timeoutMs, () => late.abort(new Error(`no answer in ${timeoutMs} ms`)))
    try {
      const response = await send(`${options.baseUrl}${url}`, { method, headers, ...(body === undefined ? {} : { body }), signal: signal ? AbortSignal.any([late.signal, signal]) : late.signal })
      const position = response.headers.get('tenfold-consistency')
      if (position !== null) positions = [...positions.filter((known) => !sent.includes(known)), position].slice(-positionsSentMax)
      if (response.headers.get('idempotency-key') !== null) keeping.add(route)
      // Read within the time limit; anything but JSON is the caller's to read.
      return { response, text: /\bjson\b/.test(response.headers.get('content-type') ?? '') ? await response.text() : undefined }
    } finally {
      cancel()
    }
  }

  const call = async (route: string, input: Record<string, unknown>, { idempotencyKey, repeatable = false, signal }: CallOptions = {}): Promise<unknown> => {
    const request = requestOf(route, input)
    const key = idempotencyKey ?? (request.method === 'POST' || request.method === 'PATCH' ? makeKey() : undefined)
    for (let nth = 1; ; nth++) {
      let answer: Answer
      const asked = () => ({ method: request.method, isSafeTwice: repeatable || idempotencyKey !== undefined || keeping.has(route) })
      const pauseMs = backoffMs(webRandom, nth, 100, 5_000)
      try {
        answer = await once(route, request, key, signal)
      } catch (error) {
        signal?.throwIfAborted()
        if (nth >= tries || !(isRepeatable(asked()) || neverArrived(error))) throw new NoAnswerError(route, nth, error)
        await pause(clock, pauseMs, signal)
        continue
      }
      const { response } = answer
      if (response.ok) return bodyOf(answer)
      const problem = await problemOf(answer)
      const waitMs = retryAfterMs(response.headers.get('retry-after'), clock.now()) ?? 0
      if (nth >= tries || waitMs > pauseMsMax || !mayAskAgain(asked(), response.status, problem.code)) throw new ProblemError(problem)
      await pause(clock, waitMs + pauseMs, signal)
    }
  }
  return Object.assign(call, {
    try: async (route: string, input: Record<string, unknown>, more?: CallOptions) => {
      try {
        return { ok: true, answer: await call(route, input, more) }
      } catch (error) {
        if (error instanceof ProblemError) return { ok: false, problem: error.problem }
        throw error
      }
    },
  }) as Client<A>
}

/** `text` where it is JSON. */
interface Answer { readonly response: Response; readonly text: string | undefined }

function bodyOf({ response, text }: Answer): unknown {
  if (response.status === 204) return null
  return text === undefined ? response : JSON.parse(text)
}

async function problemOf({ response, text }: Answer): Promise<ProblemError['problem']> {
  return text === undefined ? { code: 'internal', status: response.status, detail: await response.text() } : JSON.parse(text) as ProblemError['problem']
}

interface Request { readonly method: string; readonly url: string; readonly body: string | undefined }

/** Fields that the path names go into it; the rest into the query string of a GET or DELETE, the body of others. */
function requestOf(route: string, input: Record<string, unknown>): Request {
  const [method = 'GET', path = '/'] = route.split(' ')
  const rest = { ...input }
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name]
    delete rest[name]
    return encodeURIComponent(String(value))
  })
  if (method !== 'GET' && method !== 'DELETE') return { method, url, body: JSON.stringify(rest) }
  const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)] as [string, string])).toString()
  return { method, url: query ? `${url}?${query}` : url, body: undefined }
}
