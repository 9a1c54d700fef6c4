import type { Random } from '../base/index.ts'

/** One span's place in a trace: W3C Trace Context, level 1. */
export interface Trace { readonly traceId: string; readonly spanId: string; readonly sampled: boolean }

const header = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** A new span under the `traceparent` that came with a request; without one, or with a bad one, a new trace. */
export function startTrace(random: Random, traceparent: string | undefined): Trace {
  const match = traceparent && header.exec(traceparent)
  const spanId = random.bytes(8).toString('hex')
  if (match && !/^0+$/.test(match[1] as string) && !/^0+$/.test(match[2] as string)) {
    return { traceId: match[1] as string, spanId, sampled: (Number.parseInt(match[3] as string, 16) & 1) === 1 }
  }
  return { traceId: random.bytes(16).toString('hex'), spanId, sampled: false }
}

export function traceparentOf(trace: Trace): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`
}
