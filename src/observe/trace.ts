import type { Clock, Random } from '../base/index.ts'
import type { Span, SpanExporter, SpanKind } from './span.ts'

/** One span's place in a trace: W3C Trace Context, level 1. */
export interface Trace {
  readonly traceId: string
  readonly spanId: string
  /** What is told to others: whether whoever began the trace records it. */
  readonly sampled: boolean
  /** What is recorded of it here; undefined for most, which then cost nothing further. */
  readonly span?: Span | undefined
}

/**
 * Whether a trace is recorded is decided before anything of it is: where it begins, for a share of all, and by whoever began it
 * elsewhere. The rest pays for an id. Spans are named and described as OpenTelemetry's semantic conventions say.
 */
export interface Tracer {
  /** Under the `traceparent` that came along; without one, or with a bad one, a new trace. */
  begin(traceparent: string | undefined, name: string, kind: SpanKind): Trace
  /** A part of it; the same trace again where nothing is recorded. */
  child(trace: Trace, name: string, kind: SpanKind, attributes?: Span['attributes']): Trace
  /** Ends what `begin` or `child` made. */
  end(trace: Trace, error?: unknown): void
  /** A failure is recorded whatever was decided: the one span, as it turned out. */
  recordFailure(trace: Trace, span: Pick<Span, 'name' | 'kind' | 'attributes' | 'startedAt'>, error: string): void
}

const header = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

export interface TracerOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly random: Random
  /** 0 to 1: how many of the traces that begin here are recorded. */
  readonly share?: number
  /** Where spans go. Without one nothing is recorded, and what others decided is passed on. */
  readonly exporter?: SpanExporter | undefined
}

export function createTracer({ clock, random, share = 0, exporter }: TracerOptions): Tracer {
  // Spans are timed by the clock that never goes back, and told as times of the day.
  const epochMs = clock.now() - clock.monotonic()
  const now = () => epochMs + clock.monotonic()
  const record = (traceId: string, spanId: string, parentId: string | undefined, name: string, kind: SpanKind, attributes: Span['attributes'] = {}): Span =>
    ({ traceId, spanId, parentId, name, kind, attributes, startedAt: now(), endedAt: 0, error: undefined })
  return {
    begin(traceparent, name, kind) {
      const match = traceparent === undefined ? null : header.exec(traceparent)
      const isValid = match !== null && !/^0+$/.test(match[1] as string) && !/^0+$/.test(match[2] as string)
      const ids = random.hex(isValid ? 8 : 24)
      const traceId = isValid ? match[1] as string : ids.slice(16)
      const spanId = ids.slice(0, 16)
      const sampled = isValid ? (Number.parseInt(match[3] as string, 16) & 1) === 1 : exporter !== undefined && random.float() < share
      return { traceId, spanId, sampled, span: sampled && exporter ? record(traceId, spanId, isValid ? match[2] : undefined, name, kind) : undefined }
    },
    child(trace, name, kind, attributes) {
      if (!trace.span) return trace
      const spanId = random.hex(8)
      return { traceId: trace.traceId, spanId, sampled: true, span: record(trace.traceId, spanId, trace.spanId, name, kind, attributes) }
    },
    end({ span }, error) {
      if (!span || span.endedAt > 0) return
      span.endedAt = now()
      if (error !== undefined) span.error = error instanceof Error ? error.message : String(error)
      exporter?.add(span)
    },
    recordFailure(trace, { name, kind, attributes, startedAt }, error) {
      exporter?.add({ ...record(trace.traceId, trace.spanId, undefined, name, kind, attributes), startedAt: epochMs + startedAt, endedAt: now(), error })
    },
  }
}

export function traceparentOf(trace: Trace): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`
}
