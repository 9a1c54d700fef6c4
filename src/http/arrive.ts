import { isUtf8 } from 'node:buffer'
import type { FastifyRequest } from 'fastify'
import { type Caller, callerFields, faultsInWords, type JsonSchema, type RouteDefinition, validator } from '../app/index.ts'
import { failed, type Fault, isTenfoldError } from '../base/index.ts'
import type { Arrival, Call, Platform } from '../calls/index.ts'
import type { Trace } from '../observe/index.ts'
import { deadlineIn } from '../resilience/index.ts'
import type { Cursors } from './cursors.ts'
import type { PositionTokens } from './positions.ts'

/** Levels of a body at most: whoever walks through one need not fear for his stack. */
const depthMax = 100

/** RFC 8259, section 8.1: who reads JSON may ignore it. */
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** A body's bytes as JSON; none is undefined, as many clients say what a DELETE's would have been. Errors: `malformed`, `unsupported-media-type`. */
export function parseJson(bytes: Buffer, encoding = 'identity'): unknown {
  if (bytes.length === 0) return undefined
  if (encoding.toLowerCase() !== 'identity') throw failed('unsupported-media-type', 'Send the body as it is, without a content coding.')
  const body = bytes.indexOf(byteOrderMark) === 0 ? bytes.subarray(byteOrderMark.length) : bytes
  if (!isUtf8(body)) throw failed('malformed', 'The body is not valid UTF-8: send JSON in UTF-8.')
  if (isDeep(body)) throw failed('malformed', `The body is nested deeper than ${depthMax} levels.`)
  try {
    return JSON.parse(body.toString())
  } catch (cause) {
    throw failed('malformed', `The body is not valid JSON: ${(cause as Error).message.slice(0, 200)}.`, { cause })
  }
}

function isDeep(body: Buffer): boolean {
  const [quote, backslash, list, listEnd, object, objectEnd] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]
  if (body.length < 2 * depthMax) return false
  let depth = 0
  let isText = false
  for (let at = 0; at < body.length && depth <= depthMax; at++) {
    const byte = body[at]
    if (isText) {
      if (byte === backslash) at++
      else if (byte === quote) isText = false
    } else if (byte === quote) isText = true
    else if (byte === list || byte === object) depth++
    else if (byte === listEnd || byte === objectEnd) depth--
  }
  return depth > depthMax
}

/** Makes the call of a request. */
export function arrival(platform: Platform, route: RouteDefinition, tokens: PositionTokens, cursors: Cursors | undefined): (request: FastifyRequest) => Call {
  const { procedure } = route
  const readInput = inputReader(route)

  class Arriving implements Arrival {
    readonly address: string
    readonly authorization: string | undefined
    readonly unlimited: boolean
    readonly limits: Arrival['limits']
    idempotencyKey: string | undefined = undefined
    readonly #request: FastifyRequest
    #sent: Record<string, unknown> | undefined
    constructor(request: FastifyRequest) {
      this.address = request.ip
      this.authorization = request.headers.authorization
      this.unlimited = request.unlimited === true
      this.limits = request.limits ?? []
      this.#request = request
    }
    sent(): Record<string, unknown> {
      if (this.#sent) return this.#sent
      this.idempotencyKey = readKey(route, this.#request)
      return this.#sent = readInput(this.#request)
    }
    open(input: Record<string, unknown>, caller: Caller): void { cursors?.open(input, caller) }
  }
  return (request) => {
    const trace = request.trace as Trace
    return {
      procedure, input: undefined, caller: null, positions: tokens.read(request), deadline: deadlineIn(platform.clock, procedure.timeoutMs), trace, log: platform.logs.of(trace, { request_id: trace.traceId, procedure: procedure.name }),
      key: platform.random.hex(16), now: platform.clock.now(), idempotencyKey: undefined, record: undefined, run: undefined, arrival: new Arriving(request), path: undefined,
    }
  }
}

/**
 * Makes the input of a route's procedure: from the path, and from the query string of a GET or DELETE, the JSON body of the rest.
 * What only the caller's identity may fill, and what the path already says, is refused in either. Errors: `invalid`, `malformed`, `not-found`.
 */
export function inputReader(route: RouteDefinition): (request: FastifyRequest) => Record<string, unknown> {
  const fields = route.procedure.input.properties ?? {}
  const fromQuery = route.method === 'GET' || route.method === 'DELETE'
  const inPath = route.params.map((name) => [name, validator((fields[name] ?? {}) as JsonSchema, name)] as const)
  const taken = [
    ...[...callerFields(route.procedure.input).keys()].map((name) => [name, 'is not a field of this request'] as const),
    ...route.params.map((name) => [name, 'is given by the path'] as const),
  ]
  return (request) => {
    const input = fromQuery ? queryOf(request, fields) : bodyOf(request)
    const faults: Fault[] = taken.filter(([name]) => Object.hasOwn(input, name)).map(([name, message]) => ({ path: `/${name}`, message }))
    if (faults.length > 0) throw failed('invalid', `The request has ${faultsInWords(faults)}.`, { faults })
    for (const [name, validate] of inPath) {
      const value = coerce((request.params as Record<string, unknown>)[name], fields[name])
      // What no resource can be named is the name of none.
      try { validate(value) } catch (cause) { throw failed('not-found', `There is nothing at ${(request.url.split('?')[0] ?? '').slice(0, 200)}: ${name} ${faultIn(cause)}.`, { cause }) }
      input[name] = value
    }
    return input
  }
}

function faultIn(error: unknown): string { return (isTenfoldError(error) && error.faults?.[0]?.message) || 'is not what it must be' }

function bodyOf({ body }: FastifyRequest): Record<string, unknown> {
  if (body === undefined) return {}
  if (body === null || typeof body !== 'object' || Array.isArray(body)) throw failed('invalid', 'The body is not a JSON object.', { faults: [{ path: '', message: 'must be an object' }] })
  return body as Record<string, unknown>
}

function queryOf({ url, query }: FastifyRequest, fields: Readonly<Record<string, JsonSchema>>): Record<string, unknown> {
  if (url.includes('%') && !isDecodable(url)) throw failed('malformed', 'The query string is not valid: check its percent-encoding.')
  const input: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(query as Record<string, unknown>)) {
    // Defined, not assigned: __proto__ is a name like any other here.
    Object.defineProperty(input, name, { value: coerce(value, fields[name]), enumerable: true, writable: true, configurable: true })
  }
  return input
}

function isDecodable(url: string): boolean {
  try {
    decodeURIComponent(url)
    return true
  } catch { return false } // the fault is told by the caller
}

/** A URL holds only text: what the schema wants as a number or a boolean is read as one; anything else is left for validation to refuse. */
function coerce(value: unknown, schema: JsonSchema | undefined): unknown {
  if (typeof value !== 'string') return value
  if ((schema?.type === 'integer' || schema?.type === 'number') && /^-?\d{1,15}(\.\d{1,15})?$/.test(value)) return Number(value)
  if (schema?.type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true'
  return value
}

/** The Idempotency-Key header, where the route takes one. Errors: `key-required`, `malformed`. */
export function readKey(route: RouteDefinition, request: FastifyRequest): string | undefined {
  if (route.idempotencyKey === undefined) return undefined
  const key = request.headers['idempotency-key']
  if (key === undefined || key === '') {
    if (route.idempotencyKey === 'optional') return undefined
    throw failed('key-required', 'This request changes something that must happen once: send an Idempotency-Key header, such as a new UUID, and repeat the request with the same key.')
  }
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) throw failed('malformed', 'The Idempotency-Key is not 1 to 255 visible ASCII characters.')
  return key
}
