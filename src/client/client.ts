import type { Api, FileRef } from '../app/index.ts'

type InOf<X> = X extends { in: infer In } ? In : never
type ErrorsOf<X> = X extends { errors: infer E } ? E : never
type OutOf<X> = X extends { out: infer Out } ? (Out extends FileRef ? Response : Out) : never

/** What the platform itself may answer, beside the errors that a procedure declares. */
export interface PlatformProblem { code: 'invalid' | 'unauthenticated' | 'forbidden' | 'not-found' | 'rate-limited' | 'overloaded' | 'timeout' | 'in-progress' | 'key-reused' | 'key-required' | 'bad-cursor' | 'internal'; data?: undefined }

export interface CallOptions { idempotencyKey?: string; signal?: AbortSignal }

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

/** More of them than this are of as many calls at once; the server reads no more. */
const positionsSentMax = 16

/** A client of an application, typed by it: `createClient<typeof app>({ baseUrl })`. It carries the caller's position from answer to request. */
export function createClient<A>(options: ClientOptions): Client<A> {
  const send = options.fetch ?? fetch
  // Answers may come back in another order than they were asked for: each token stays until one that was made knowing of it.
  let positions: readonly string[] = []
  const call = async (route: string, input: Record<string, unknown>, { idempotencyKey, signal }: CallOptions = {}): Promise<unknown> => {
    const { method, url, body } = requestOf(route, input)
    const token = await options.token?.()
    const sent = positions
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }), ...(sent.length === 0 ? {} : { 'tenfold-position': sent.join(', ') }),
    }
    const response = await send(`${options.baseUrl}${url}`, { method, headers, ...(body === undefined ? {} : { body }), ...(signal ? { signal } : {}) })
    const position = response.headers.get('tenfold-position')
    if (position !== null) positions = [...positions.filter((known) => !sent.includes(known)), position].slice(-positionsSentMax)
    const type = response.headers.get('content-type') ?? ''
    if (!response.ok) throw new ProblemError(type.includes('json') ? await response.json() as ProblemError['problem'] : { code: 'internal', status: response.status, detail: await response.text() })
    if (response.status === 204) return null
    return type.startsWith('application/json') ? response.json() : response
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

/** Fields that the path names go into it; the rest into the query string of a GET or DELETE, the body of others. */
function requestOf(route: string, input: Record<string, unknown>): { method: string; url: string; body: string | undefined } {
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
