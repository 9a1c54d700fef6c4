import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Platform } from '../calls/index.ts'
import type { Histogram } from '../observe/index.ts'

/** The methods that OpenTelemetry knows; a client may send any of some forty. */
const known = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])

export type Observer = (request: FastifyRequest, reply: FastifyReply) => void

/**
 * A line in the log and a count in the metrics for each answer. A route is told by its pattern, never by the URL: it holds what people
 * search for, and whatever a client made up. What has no route is one label.
 */
export function observer({ clock, metrics, logs, tracer }: Platform): Observer {
  const series = new Map<string, Histogram>()
  return (request, reply) => {
    const seconds = (clock.monotonic() - (request.began ?? clock.monotonic())) / 1000
    const { trace, ip } = request
    const method = known.has(request.method) ? request.method : '_OTHER'
    const route = request.routeOptions.url ?? 'none'
    const key = `${method} ${route} ${reply.statusCode}`
    let durations = series.get(key)
    if (!durations) series.set(key, durations = metrics.histogram('http_server_request_duration_seconds', 'Duration of HTTP requests', { http_request_method: method, http_route: route, http_response_status_code: reply.statusCode }))
    durations.observe(seconds)
    if (trace?.span) {
      trace.span.name = `${method} ${route}`
      Object.assign(trace.span.attributes, attributesOf(method, route, reply.statusCode))
      tracer.end(trace, reply.statusCode >= 500 ? `answered ${reply.statusCode}` : undefined)
    } else if (trace && reply.statusCode >= 500) {
      tracer.recordFailure(trace, { name: `${method} ${route}`, kind: 'server', attributes: attributesOf(method, route, reply.statusCode), startedAt: request.began ?? clock.monotonic() }, `answered ${reply.statusCode}`)
    }
    logs.info('request', { trace_id: trace?.traceId, request_id: trace?.traceId, method, route, status: reply.statusCode, duration_ms: Math.round(seconds * 1e6) / 1000, address: ip })
  }
}

function attributesOf(method: string, route: string, status: number): Record<string, string | number> {
  return { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status }
}
