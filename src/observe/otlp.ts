import type { Clock } from '../base/index.ts'
import type { Metrics } from './metrics.ts'
import type { Span, SpanExporter } from './span.ts'

/** Spans that may wait, and that go out at once. */
const [waitingMax, batchMax] = [4_096, 512]
const everyMs = 1_000
const sendMs = 5_000
const closeMs = 2_000

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const

export interface OtlpOptions {
  /** Of a collector, such as `http://127.0.0.1:4318`: spans are posted to `/v1/traces` below it. */
  readonly endpoint: string
  readonly serviceName: string
  readonly clock: Clock
  readonly metrics: Metrics
  readonly fetch?: typeof fetch
}

/**
 * Sends spans to a collector as OTLP/HTTP with JSON (OpenTelemetry Protocol 1.7), in batches of a second. One that is slow, down or
 * refuses loses spans, which are counted; it makes nobody wait.
 */
export function createOtlpExporter({ endpoint, serviceName, clock, metrics, fetch: send = fetch }: OtlpOptions): SpanExporter {
  const count = (outcome: string) => metrics.counter('tenfold_trace_spans_total', 'Spans, by what became of them', { outcome })
  const [sent, lost] = [count('sent'), count('lost')]
  const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`
  let waiting: Span[] = []
  let sending: Promise<void> | undefined
  let cancel: (() => void) | undefined

  const post = async (batch: readonly Span[]): Promise<void> => {
    const late = new AbortController()
    const stopWatching = clock.after(sendMs, () => late.abort())
    try {
      const answer = await send(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(document(serviceName, batch)), signal: late.signal })
      await answer.arrayBuffer()
      if (answer.ok) sent.add(batch.length)
      else lost.add(batch.length)
    } catch {
      lost.add(batch.length) // the counter says so; a log line for each batch would be a second outage
    } finally {
      stopWatching()
    }
  }
  const drain = async () => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchMax)
      waiting = waiting.slice(batchMax)
      await post(batch)
    }
  }
  const start = () => {
    cancel?.()
    cancel = undefined
    sending ??= drain().finally(() => { sending = undefined })
  }
  return {
    add(span) {
      if (waiting.length >= waitingMax) return lost.add()
      waiting.push(span)
      if (waiting.length >= batchMax) start()
      else cancel ??= clock.after(everyMs, start)
    },
    async close() {
      start()
      const done = new AbortController()
      await Promise.race([sending?.then(() => waiting.length > 0 ? drain() : undefined), clock.sleep(closeMs, done.signal)])
      done.abort()
    },
  }
}

function document(serviceName: string, spans: readonly Span[]): object {
  const resource = { attributes: [attribute('service.name', serviceName)] }
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'tenfold' }, spans: spans.map(spanOf) }] }] }
}

function spanOf({ traceId, spanId, parentId, name, kind, attributes, startedAt, endedAt, error }: Span): object {
  return {
    traceId, spanId, ...(parentId === undefined ? {} : { parentSpanId: parentId }), name, kind: kinds[kind], startTimeUnixNano: nanoseconds(startedAt), endTimeUnixNano: nanoseconds(endedAt),
    attributes: Object.entries(attributes).map(([key, value]) => attribute(key, value)), status: error === undefined ? {} : { code: 2, message: error.slice(0, 500) },
  }
}

function attribute(key: string, value: string | number | boolean): object {
  if (typeof value === 'string') return { key, value: { stringValue: value } }
  if (typeof value === 'boolean') return { key, value: { boolValue: value } }
  return { key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } }
}

/** As text: a JSON number has not so many digits. */
function nanoseconds(ms: number): string {
  return `${Math.trunc(ms)}${String(Math.floor((ms - Math.trunc(ms)) * 1e6)).padStart(6, '0')}`
}
