export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'

/** One piece of work in a trace, as it is recorded. Times in milliseconds since the epoch, with fractions. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  /** Of low cardinality: a route, a procedure, a statement's first word. */
  name: string
  readonly kind: SpanKind
  readonly attributes: Record<string, string | number | boolean>
  readonly startedAt: number
  endedAt: number
  error: string | undefined
}

/** Takes spans that have ended. It never throws, and nobody waits for it. */
export interface SpanExporter {
  add(span: Span): void
  /** Sends what waits, within a second or two. */
  close(): Promise<void>
}
