import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Platform } from '../calls/index.ts'
import type { Histogram, Trace } from '../observe/index.ts'

/** The methods that OpenTelemetry knows; a client may send any of some forty. */
const known = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])

export interface Observer {
  /** A line in the log and a count in the metrics for an answer. */
  observe(request: FastifyRequest, reply: FastifyReply): void
  /** What is kept of a route, for `request.seen`. A route is told by its pattern, never by the URL: it holds what people search for, and whatever a client made up. */
  of(method: string, route: string): Seen
}

export interface Seen { readonly method: string; readonly route: string; readonly routeJson: string; readonly durations: Map<number, Histogram> }

export function observer({ clock, metrics, logs, tracer }: Platform): Observer {
  const routes = new Map<string, Seen>()
  const of = (asked: string, route: string): Seen => {
    // Of methods that nobody knows there may be any number: they are one label, as are URLs without a route.
    const method = known.has(asked) ? asked : '_OTHER'
    const key = `${method} ${route}`
    let seen = routes.get(key)
    if (!seen) routes.set(key, seen = { method, route, routeJson: JSON.stringify(route), durations: new Map() })
    return seen
  }
  return {
    of,
    observe(request, reply) {
      const { trace, ip } = request
      // Fastify makes `routeOptions` anew for each question: the routes of the application say theirs themselves.
      const seen = request.seen ?? of(request.method, request.routeOptions.url ?? 'none')
      const status = reply.statusCode
      const seconds = (clock.monotonic() - (request.began ?? clock.monotonic())) / 1000
      let durations = seen.durations.get(status)
      if (!durations) seen.durations.set(status, durations = metrics.histogram('http_server_request_duration_seconds', 'Duration of HTTP requests', { http_request_method: seen.method, http_route: seen.route, http_response_status_code: status }))
      durations.observe(seconds)
      logs.request({ traceId: trace?.traceId ?? '', method: seen.method, routeJson: seen.routeJson, status, durationMs: seconds * 1000, address: ip })
      if (trace) tell(tracer, trace, request, seen, status)
    },
  }
}

/** Ends the span of what is recorded, and tells of a failure in any case. */
function tell(tracer: Platform['tracer'], trace: Trace, request: FastifyRequest, { method, route }: Seen, status: number): void {
  if (!trace.span && status < 500) return
  const name = `${method} ${route}`
  const attributes = { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status }
  const failure = status >= 500 ? `answered ${status}` : undefined
  if (trace.span) {
    trace.span.name = name
    Object.assign(trace.span.attributes, attributes)
    tracer.end(trace, failure)
  } else if (failure !== undefined) tracer.recordFailure(trace, { name, kind: 'server', attributes, startedAt: request.began ?? 0 }, failure)
}
