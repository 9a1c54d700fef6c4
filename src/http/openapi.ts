import { type AppDefinition, type Failure, type JsonSchema, kindOf, type RouteDefinition, withoutCaller } from '../app/index.ts'
import { errorTable, type ErrorCode } from '../base/index.ts'

/** The application's routes as an OpenAPI 3.1 document: what a client may send, and what it may get. */
export function openApi(app: AppDefinition): object {
  const paths: Record<string, Record<string, object>> = {}
  const named = new Set<string>()
  for (const route of app.routes) {
    // One procedure may serve two routes, and an operationId is unique.
    const { name } = route.procedure
    const operationId = named.has(name) ? `${name} ${route.method} ${route.path}` : name
    named.add(operationId)
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: { operationId, ...operation(route) } }
  }
  return {
    openapi: '3.1.0', info: { title: app.name, version: '1' }, paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Problem: {
        type: 'object', description: 'RFC 9457 problem details', required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
        properties: {
          type: { type: 'string', format: 'uri' }, title: { type: 'string' }, status: { type: 'integer' }, code: { type: 'string' }, detail: { type: 'string' }, requestId: { type: 'string' }, data: {},
          errors: { type: 'array', items: { type: 'object', properties: { path: { type: 'string' }, message: { type: 'string' } }, required: ['path', 'message'] } },
        },
      } },
    },
  }
}

function operation(route: RouteDefinition): object {
  const { procedure, method } = route
  const input = withoutCaller(procedure.input)
  const fields = Object.entries(input.properties ?? {})
  const inQuery = method === 'GET' || method === 'DELETE'
  const required = new Set(input.required)
  const parameters = [
    ...route.params.map((name) => ({ name, in: 'path', required: true, schema: input.properties?.[name] })),
    ...(inQuery ? fields.filter(([name]) => !route.params.includes(name)).map(([name, schema]) => ({ name, in: 'query', required: required.has(name), schema })) : []),
    ...(route.idempotencyKey ? [{ name: 'Idempotency-Key', in: 'header', required: route.idempotencyKey === 'required', schema: { type: 'string', minLength: 1, maxLength: 255 } }] : []),
  ]
  const body = bodyOf(input, route.params)
  return {
    tags: route.tags, ...(procedure.describe ? { summary: procedure.describe } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(inQuery ? {} : { requestBody: { required: (body.required ?? []).length > 0, content: { 'application/json': { schema: body } } } }),
    ...(route.auth['~auth'] === 'caller' ? { security: [{ bearer: [] }] } : {}),
    responses: { [route.status]: success(route), ...(method === 'GET' ? { 304: { description: 'What the client has, by its ETag, is still so' } } : {}), ...problems(route) },
  }
}

function bodyOf(input: JsonSchema, params: readonly string[]): JsonSchema {
  const properties = Object.fromEntries(Object.entries(input.properties ?? {}).filter(([name]) => !params.includes(name)))
  return { ...input, properties, required: (input.required ?? []).filter((name) => !params.includes(name)) }
}

function success({ procedure, status, location }: RouteDefinition): object {
  if (status === 204) return { description: 'Done' }
  // A file is of the type that it was kept with.
  const content = kindOf(procedure.output) === 'file' ? { '*/*': {} } : { 'application/json': { schema: procedure.output } }
  return { description: 'The answer', content, ...(location ? { headers: { Location: { schema: { type: 'string' } } } } : {}) }
}

const always: readonly ErrorCode[] = ['malformed', 'not-found', 'request-timeout', 'uri-too-long', 'invalid', 'rate-limited', 'headers-too-large', 'internal', 'overloaded', 'pool-exhausted', 'database-unavailable', 'timeout']
const retryAfter = { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds' } }

/** By status: the application's own failures, and what the platform may say on such a route. */
function problems({ method, auth, procedure, idempotencyKey }: RouteDefinition): Record<string, object> {
  const platform: ErrorCode[] = [
    ...always,
    ...(auth['~auth'] === 'caller' ? ['unauthenticated', 'forbidden'] as const : []),
    ...(idempotencyKey ? ['key-required', 'key-reused', 'in-progress'] as const : []),
    ...(kindOf(procedure.output) === 'page' ? ['bad-cursor'] as const : []),
    ...(method === 'GET' ? [] : ['too-large', 'unsupported-media-type'] as const),
    ...(procedure.kind === 'command' || procedure.kind === 'action' ? ['outcome-unknown', 'contention', 'run-lost', 'run-undone'] as const : []),
    ...(procedure.kind === 'action' || procedure.kind === 'lookup' ? ['dependency-unavailable'] as const : []),
  ]
  const codes = new Map<number, string[]>()
  const add = (status: number, code: string) => codes.set(status, [...codes.get(status) ?? [], code])
  for (const failure of procedure.errors as readonly Failure<string, unknown>[]) add(failure.status, failure.code)
  for (const code of platform) add(errorTable[code].status, code)
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
  return {
    ...Object.fromEntries([...codes].map(([status, names]) => [status, { description: names.join(', '), content, ...(status === 429 || status === 503 ? { headers: retryAfter } : {}) }])),
    default: { description: 'Any other problem', content },
  }
}
