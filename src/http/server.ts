import cors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { RouteDefinition } from '../app/index.ts'
import type { Socket } from 'node:net'
import { failed, turnCount, turnOver } from '../base/index.ts'
import type { Call, Platform, Way } from '../calls/index.ts'
import { countAddress, type Limiter } from '../limit/index.ts'
import type { Trace } from '../observe/index.ts'
import { type Observer, observer, type Seen } from './access.ts'
import { answerer, limitHeaders, securityHeaders, tagged } from './answer.ts'
import { arrival, parseJson } from './arrive.ts'
import { cursorsOf } from './cursors.ts'
import { serveDocs } from './docs.ts'
import { notServed } from './not-served.ts'
import { openApi } from './openapi.ts'
import { positionTokens, type PositionTokens } from './positions.ts'
import { frameworkFault, problemOf } from './problem.ts'
import { refuseConnection } from './refuse-connection.ts'

export interface HttpOptions {
  /** Bytes of a body at most. */
  readonly bodyBytesMax: number
  /** Origins that browsers may call from; none unless named. */
  readonly corsOrigins: readonly string[]
  /** Milliseconds that a client has for its headers (10,000), for the whole of a request (30,000), and to take or send anything (120,000). */
  readonly headersMs?: number
  readonly requestMs?: number
  readonly idleMs?: number
  /** Connections at most (10,000): one more is closed at once. An idle one costs some 20 KiB. */
  readonly connectionsMax?: number
  /** Whether `GET /docs` shows people what `/openapi.json` tells programs; true unless told. */
  readonly docs?: boolean
}

const headerBytesMax = 16 * 1024
/** RFC 9110, section 4.1, asks for 8,000 at least. */
const urlLengthMax = 8 * 1024
const parameterLengthMax = 500
/** How often the time limits of connections are looked at. */
const lookMs = 1_000

declare module 'fastify' {
  /** Once on, every answer asks its client to let go of the connection. */
  interface FastifyInstance { lameDuck: { on: boolean } }
  interface FastifyRequest { trace?: Trace; call?: Call; began?: number; limits?: NonNullable<Call['arrival']>['limits']; unlimited?: boolean; /** Of the application's own routes. */ seen?: Seen }
}

/** The public server: the application's routes, and beside them whatever the team mounts. Not yet listening. */
export async function createServer(platform: Platform, ways: ReadonlyMap<RouteDefinition, Way>, options: HttpOptions, limiter?: Limiter, allowsUnlimited?: (token: string) => Promise<boolean>): Promise<FastifyInstance> {
  const observe = observer(platform)
  const server = bareServer(platform, options, 'GET /openapi.json lists what there is', observe)
  await allowOrigins(server, new Set(options.corsOrigins))
  if (limiter?.on) limitAddresses(server, limiter, allowsUnlimited)
  const tokens = positionTokens(platform)
  for (const [route, way] of ways) {
    server.route({ method: route.method, url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'), handler: handlerOf(platform, route, way, tokens, observe), config: { tenfold: route } as object })
  }
  const description = tagged(JSON.stringify(openApi(platform.app)))
  server.get('/openapi.json', async (request, reply) => description(request, reply.header('cache-control', 'no-cache')))
  if (platform.app.mount.public) await server.register(platform.app.mount.public)
  if (options.docs ?? true) serveDocs(server, platform.app.name)
  return server
}

/** A server with this platform's limits, ids, headers, logs and problem details, and no route. */
export function bareServer(platform: Platform, options: Omit<HttpOptions, 'corsOrigins'>, hint: string, observe = observer(platform)): FastifyInstance {
  const { headersMs = 10_000, requestMs = 30_000, idleMs = 120_000, connectionsMax = 10_000 } = options
  const server = Fastify({
    logger: false, bodyLimit: options.bodyBytesMax, requestTimeout: requestMs, connectionTimeout: idleMs, keepAliveTimeout: 65_000, return503OnClosing: false, forceCloseConnections: 'idle', exposeHeadRoutes: true,
    routerOptions: { maxParamLength: parameterLengthMax },
    // Node's own answer to a request without Host has no body: `unreadable` refuses it.
    http: { maxHeaderSize: headerBytesMax, headersTimeout: headersMs, connectionsCheckingInterval: Math.min(lookMs, headersMs, requestMs), requireHostHeader: false },
    // A path that the router cannot read: no hook runs.
    frameworkErrors: (error, request, reply) => {
      begin(platform, request, reply as FastifyReply)
      sendProblem(platform, request, reply as FastifyReply, frameworkFault(error))
      observe.observe(request, reply as FastifyReply)
    },
    clientErrorHandler: (error, socket) => refuseConnection(platform, error, socket),
  })
  server.server.maxConnections = connectionsMax
  // RFC 9110, section 10.1.1: what else a client expects may be ignored; Node would answer 417 without a word.
  server.server.on('checkExpectation', (request, response) => server.routing(request, response))
  // Nobody tunnels through us. Node would close the connection without a word.
  server.server.on('connect', (_request, socket: Socket) => refuseConnection(platform, failed('method-not-allowed', 'There is no CONNECT here.'), socket))
  // Who keeps a connection is told to let go of it while the process leaves; what is on its way is answered.
  const lameDuck = { on: false }
  server.decorate('lameDuck', lameDuck)
  // All of a request's fields from its beginning: engines are fastest with objects of one shape.
  for (const name of ['trace', 'call', 'began', 'limits', 'unlimited', 'seen']) server.decorateRequest(name)
  server.addHook('preClose', async () => { lameDuck.on = true })
  server.addHook('onSend', (request, reply, payload, done) => {
    if (request.limits) limitHeaders(reply, request.limits)
    if (lameDuck.on) reply.header('connection', 'close')
    done(null, payload)
  })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, ({ headers }, body, done) => {
    try { done(null, parseJson(body as Buffer, headers['content-encoding'])) } catch (error) { done(error as Error) }
  })
  server.addHook('onRequest', (request, reply, done) => {
    begin(platform, request, reply)
    done(unreadable(request))
  })
  server.addHook('onResponse', (request, reply, done) => { observe.observe(request, reply); done() })
  server.setErrorHandler((error, request, reply) => sendProblem(platform, request, reply, frameworkFault(error)))
  const elsewhere = notServed(server, hint)
  server.setNotFoundHandler((request, reply) => {
    const refusal = elsewhere(request, reply)
    return refusal ? sendProblem(platform, request, reply, refusal) : reply.code(204).send()
  })
  return server
}

function begin(platform: Platform, request: FastifyRequest, reply: FastifyReply): void {
  const { traceparent } = request.headers
  request.trace = platform.tracer.begin(typeof traceparent === 'string' ? traceparent : undefined, 'HTTP', 'server')
  request.began = platform.clock.monotonic()
  reply.headers(securityHeaders).header('x-request-id', request.trace.traceId)
}

function unreadable({ url, headers, raw }: FastifyRequest): Error | undefined {
  if (url.length > urlLengthMax) return failed('uri-too-long', `The URL is longer than ${urlLengthMax} characters.`)
  if (headers.host === undefined && raw.httpVersion === '1.1') return failed('malformed', 'The request has no Host header.')
  return undefined
}

/** CORS for the named origins; to any other nothing is said of it. */
async function allowOrigins(server: FastifyInstance, named: ReadonlySet<string>): Promise<void> {
  if (named.size === 0) return
  await server.register(cors, {
    origin: (origin, answer) => answer(null, origin !== undefined && named.has(origin) ? origin : false), credentials: true, methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'], maxAge: 600, strictPreflight: false,
    exposedHeaders: ['etag', 'idempotency-key', 'location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'tenfold-consistency', 'x-request-id'],
  })
}

/** Whose token frees a request from limits: sent beside the caller's own. */
const unlimitedHeader = 'tenfold-unlimited'

function limitAddresses(server: FastifyInstance, limiter: Limiter, allowsUnlimited: ((token: string) => Promise<boolean>) | undefined): void {
  server.addHook('onRequest', (request, _reply, done) => {
    request.limits = []
    const token = request.headers[unlimitedHeader]
    const count = () => countAddress(limiter, request.ip, request.limits ?? [])
    if (typeof token === 'string' && allowsUnlimited) {
      // A token that does not free is refused, not overlooked; that it was tried is counted.
      allowsUnlimited(token).then(() => { request.unlimited = true; done() }, (error: Error) => { try { count(); done(error) } catch (refusal) { done(refusal as Error) } })
      return
    }
    count()
    done()
  })
}

/** From a request to its answer: read it, send it its way, write it. */
function handlerOf(platform: Platform, route: RouteDefinition, way: Way, tokens: PositionTokens, observe: Observer) {
  const cursors = cursorsOf(route, platform.key('cursors'))
  const arrive = arrival(platform, route, tokens, cursors)
  const answer = answerer(platform, route)
  const pattern = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
  const [seen, seenHead] = [observe.of(route.method, pattern), observe.of('HEAD', pattern)]
  return async (request: FastifyRequest, reply: FastifyReply) => {
    request.seen = request.method === 'HEAD' ? seenHead : seen
    const call = request.call = arrive(request)
    const turn = turnCount()
    const found = await way(call)
    // What is known at once leaves together with all else of this turn: whoever receives it is woken once.
    if (turnCount() === turn) await turnOver()
    tokens.write(reply, call.positions)
    // Says that the key is kept here: who does not hear an answer may ask again.
    if (call.idempotencyKey !== undefined) reply.header('idempotency-key', call.idempotencyKey)
    return answer(request, reply, cursors ? cursors.close(found, call.arrival?.sent() ?? {}, call.caller) : found)
  }
}

function sendProblem(platform: Platform, request: FastifyRequest, reply: FastifyReply, error: unknown): void {
  const requestId = request.trace?.traceId ?? 'none'
  const { problem, retryAfterSeconds } = problemOf(error, requestId)
  if (problem.status === 500) platform.logs.error('a request failed', { request_id: requestId, error: error instanceof Error ? { message: error.message, stack: error.stack, cause: String(error.cause ?? '') } : String(error) })
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  reply.code(problem.status).header('cache-control', 'no-store').header('content-type', 'application/problem+json; charset=utf-8').send(JSON.stringify(problem))
}
