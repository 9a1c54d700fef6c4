import type { Span, SpanKind, Trace } from '../observe/index.ts'
import type { Call, Platform } from './call.ts'
import type { Repeats } from './repeats.ts'

/** Does a part of a call's work under a span of its own; where nothing is recorded, just does it. */
export async function spanned<T>({ tracer }: Platform, trace: Trace, name: string, kind: SpanKind, attributes: Span['attributes'] | undefined, work: (trace: Trace) => Promise<T>): Promise<T> {
  if (!trace.span) return work(trace)
  return ended({ tracer }, tracer.child(trace, name, kind, attributes), work)
}

/** Ends the span when the work does. */
export async function ended<T>({ tracer }: Pick<Platform, 'tracer'>, trace: Trace, work: (trace: Trace) => Promise<T>): Promise<T> {
  try {
    const answer = await work(trace)
    tracer.end(trace)
    return answer
  } catch (error) {
    tracer.end(trace, error)
    throw error
  }
}

type OnStatement = (text: string) => (error?: unknown) => void

/** What the data tier tells of each statement: of a recorded call, and in development of every one; undefined for any other. */
export function onStatement(platform: Platform, call: Call, attempt?: number): OnStatement | undefined {
  const spans = statementSpans(platform, call)
  return platform.repeats ? countingRepeats(platform.repeats, call, attempt, spans) : spans
}

function countingRepeats(repeats: Repeats, call: Call, attempt: number | undefined, spans: OnStatement | undefined): OnStatement {
  return (text) => {
    const isWork = !/^(commit$|(rollback to |release )?savepoint )/.test(text)
    const counted = isWork ? repeats.began(call, text, { attempt }) : undefined
    const span = spans?.(text)
    return (error) => { counted?.(); span?.(error) }
  }
}

function statementSpans({ tracer }: Platform, { trace, procedure }: Pick<Call, 'trace' | 'procedure'>): OnStatement | undefined {
  if (!trace.span) return undefined
  return (text) => {
    const child = tracer.child(trace, /^\w+/.exec(text.trimStart())?.[0].toUpperCase() ?? 'SQL', 'client', databaseAttributes(procedure.name, text))
    return (error) => tracer.end(child, error)
  }
}

/** The statement without its values: they are parameters, and nobody's business. */
export function databaseAttributes(procedure: string, text?: string): Span['attributes'] {
  return { 'db.system.name': 'postgresql', 'code.function.name': procedure, ...(text === undefined ? {} : { 'db.query.text': text.slice(0, 2_000) }) }
}
