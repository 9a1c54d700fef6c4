import { isUtf8 } from 'node:buffer'
import type { FastifyRequest } from 'fastify'
import { callerFields, type JsonSchema, type RouteDefinition } from '../app/index.ts'
import { failed, type Fault } from '../base/index.ts'

/** A body's bytes as JSON. Errors: `malformed`. */
export function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw failed('malformed', 'The body is not valid UTF-8: send JSON in UTF-8.')
  try {
    return JSON.parse(body.toString())
  } catch (cause) {
    throw failed('malformed', `The body is not valid JSON: ${(cause as Error).message.slice(0, 200)}.`, { cause })
  }
}

/**
 * Makes the input of a route's procedure: from the path, and from the query string of a GET or DELETE, the JSON body of the rest.
 * What only the caller's identity may fill, and what the path already says, is refused in either. Errors: `invalid`, `malformed`.
 */
export function inputReader(route: RouteDefinition): (request: FastifyRequest) => Record<string, unknown> {
  const fields = route.procedure.input.properties ?? {}
  const fromQuery = route.method === 'GET' || route.method === 'DELETE'
  const taken = new Map([
    ...[...callerFields(route.procedure.input).keys()].map((name) => [name, 'is not a field of this request'] as const),
    ...route.params.map((name) => [name, 'is given by the path'] as const),
  ])
  return (request) => {
    const sent = fromQuery ? request.query as Record<string, unknown> : request.body ?? {}
    if (typeof sent !== 'object' || Array.isArray(sent)) throw failed('invalid', 'The body is not a JSON object.', { faults: [{ path: '', message: 'must be an object' }] })
    const input: Record<string, unknown> = {}
    const faults: Fault[] = []
    for (const [name, value] of Object.entries(sent)) {
      const refusal = taken.get(name)
      if (refusal) faults.push({ path: `/${name}`, message: refusal })
      else Object.defineProperty(input, name, { value: fromQuery ? coerce(value, fields[name]) : value, enumerable: true, writable: true, configurable: true })
    }
    if (faults.length > 0) throw failed('invalid', `The request has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}: ${faults.map(({ path, message }) => `${path} ${message}`).join('; ')}.`, { faults })
    for (const name of route.params) input[name] = coerce((request.params as Record<string, unknown>)[name], fields[name])
    return input
  }
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
