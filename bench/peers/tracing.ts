/**
 * OpenTelemetry as its "Getting started" for Node and the README of sdk-node say: NodeSDK, the sampler and the exporter through the
 * environment, instrumentation of http, Fastify (by the package that Fastify's own README names) and pg. 10 % are sampled.
 * Loaded before anything else, so that it can wrap what is loaded after it; those must then come by `require`, which it wraps.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export function startTracing(sink: string): void {
  Object.assign(process.env, {
    OTEL_SERVICE_NAME: 'peer', OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1', OTEL_EXPORTER_OTLP_ENDPOINT: sink,
  })
  const { NodeSDK } = require('@opentelemetry/sdk-node') as typeof import('@opentelemetry/sdk-node')
  const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http') as typeof import('@opentelemetry/exporter-trace-otlp-http')
  const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http') as typeof import('@opentelemetry/instrumentation-http')
  const { FastifyOtelInstrumentation } = require('@fastify/otel') as typeof import('@fastify/otel')
  const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg') as typeof import('@opentelemetry/instrumentation-pg')
  new NodeSDK({
    traceExporter: new OTLPTraceExporter(),
    instrumentations: [new HttpInstrumentation(), new FastifyOtelInstrumentation({ registerOnInitialization: true }), new PgInstrumentation()],
  }).start()
}
