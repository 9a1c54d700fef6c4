import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { RouteDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import type { Call, Platform, Way } from '../calls/index.ts'
import { startTrace, type Trace } from '../observe/index.ts'
import { deadlineIn } from '../resilience/index.ts'
import { answerer, limitHeaders, securityHeaders } from './answer.ts'
import { inputReader, parseJson, readKey } from './arrive.ts'
import { cursorsOf } from './cursors.ts'
import { openApi } from './openapi.ts'
import { positionTokens, type PositionTokens } from './positions.ts'
import { frameworkFault, problemOf } from './problem.ts'

export interface HttpOptions {
  /** Bytes of a body at most. */
  readonly bodyBytesMax: number
  /** Origins that browsers may call from; none unless named. */
  readonly corsOrigins: readonly string[]
}

const headerBytesMax = 16 * 1024
const parameterLengthMax = 500

declare module 'fastify' {
  interface FastifyRequest { trace?: Trace; call?: Call; began?: number }
}

/** The public server: the application's routes, and beside them whatever the team mounts. Not yet listening. */
export async function createServer(platform: Platform, ways: ReadonlyMap<RouteDefinition, Way>, options: HttpOptions): Promise<FastifyInstance> {
  const server = bareServer(platform, options)
  if (options.corsOrigins.length > 0) await server.register(cors, { origin: [...options.corsOrigins], credentials: true, exposedHeaders: ['location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'tenfold-position', 'x-request-id'] })
  const tokens = positionTokens(platform)
  for (const [route, way] of ways) {
    server.route({ method: route.method, url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'), handler: handlerOf(platform, route, way, tokens), config: { tenfold: route } as object })
  }
  const description = JSON.stringify(openApi(platform.app))
  server.get('/openapi.json', async (_request, reply) => reply.header('content-type', 'application/json; charset=utf-8').header('cache-control', 'no-cache').send(description))
  if (platform.app.mount.public) await server.register(platform.app.mount.public)
  return server
}

/** A server with this platform's limits, ids, headers, logs and problem details, and no route. */
export function bareServer(platform: Platform, options: Pick<HttpOptions, 'bodyBytesMax'>): FastifyInstance {
  const server = Fastify({
    logger: false, bodyLimit: options.bodyBytesMax, requestTimeout: 30_000, keepAliveTimeout: 65_000, return503OnClosing: false, forceCloseConnections: 'idle', exposeHeadRoutes: true,
    routerOptions: { maxParamLength: parameterLengthMax }, http: { maxHeaderSize: headerBytesMax, headersTimeout: 10_000 },
    frameworkErrors: (error, request, reply) => { trace(platform, request); sendProblem(platform, request, reply as FastifyReply, frameworkFault(error)) },
    clientErrorHandler(error, socket) {
      const tooLarge = (error as NodeJS.ErrnoException).code === 'HPE_HEADER_OVERFLOW'
      if (socket.writable && !socket.destroyed) socket.end(`HTTP/1.1 ${tooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request'}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\r\n${JSON.stringify(problemOf(failed('malformed', 'The request is not valid HTTP, or its headers are too large.'), 'none').problem)}`)
    },
  })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try { done(null, parseJson(body as Buffer)) } catch (error) { done(error as Error) }
  })
  server.addHook('onRequest', async (request, reply) => {
    trace(platform, request)
    reply.headers(securityHeaders).header('x-request-id', request.trace?.traceId)
  })
  server.addHook('onResponse', async (request, reply) => observeResponse(platform, request, reply))
  server.setErrorHandler((error, request, reply) => sendProblem(platform, request, reply, frameworkFault(error)))
  server.setNotFoundHandler((request, reply) => sendProblem(platform, request, reply, failed('not-found', `There is nothing at ${request.method} ${request.url.split('?')[0]?.slice(0, 200)}: GET /openapi.json lists what there is.`)))
  return server
}

function trace(platform: Platform, request: FastifyRequest): void {
  const { traceparent } = request.headers
  request.trace = startTrace(platform.random, typeof traceparent === 'string' ? traceparent : undefined)
  request.began = platform.clock.monotonic()
}

/** From a request to its answer: read it, send it its way, write it. */
function handlerOf(platform: Platform, route: RouteDefinition, way: Way, tokens: PositionTokens) {
  const read = inputReader(route)
  const answer = answerer(platform, route)
  const cursors = cursorsOf(route, platform.key('cursors'))
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const call = arrive(platform, route, request, tokens)
    request.call = call
    const input = read(request)
    cursors?.open(input)
    call.input = input
    const found = await way(call)
    tokens.write(reply, call.positions)
    limitHeaders(reply, call)
    return answer(request, reply, cursors ? cursors.close(found, input) : found)
  }
}

function arrive(platform: Platform, route: RouteDefinition, request: FastifyRequest, tokens: PositionTokens): Call {
  const at = request.trace as Trace
  return {
    procedure: route.procedure, input: undefined, caller: null, positions: tokens.read(request), deadline: deadlineIn(platform.clock, route.procedure.timeoutMs), trace: at,
    log: platform.logs.of(at, { request_id: at.traceId, procedure: route.procedure.name }), key: platform.random.bytes(16).toString('hex'), now: platform.clock.now(), idempotencyKey: readKey(route, request),
    arrival: { address: request.ip, authorization: request.headers.authorization, limits: [] },
  }
}

function sendProblem(platform: Platform, request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const requestId = request.trace?.traceId ?? 'none'
  const { problem, retryAfterSeconds } = problemOf(error, requestId)
  if (problem.status === 500) platform.logs.error('a request failed', { request_id: requestId, error: error instanceof Error ? { message: error.message, stack: error.stack, cause: String(error.cause ?? '') } : String(error) })
  if (request.call) limitHeaders(reply, request.call)
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  reply.headers(securityHeaders).code(problem.status).header('cache-control', 'no-store').header('content-type', 'application/problem+json; charset=utf-8').send(JSON.stringify(problem))
}

function observeResponse(platform: Platform, request: FastifyRequest, reply: FastifyReply): void {
  const seconds = (platform.clock.monotonic() - (request.began ?? platform.clock.monotonic())) / 1000
  const route = request.routeOptions.url ?? 'none'
  platform.metrics.histogram('http_server_request_duration_seconds', 'Duration of HTTP requests', { http_request_method: request.method, http_route: route, http_response_status_code: reply.statusCode }).observe(seconds)
  platform.logs.info('request', { trace_id: request.trace?.traceId, request_id: request.trace?.traceId, method: request.method, route, status: reply.statusCode, duration_ms: Math.round(seconds * 1e6) / 1000, address: request.ip })
}
