import pino from 'pino'
import type { Log } from '../app/index.ts'
import { systemClock } from '../base/index.ts'
import { createSink } from './sink.ts'
import type { Trace } from './trace.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface Logs extends Log {
  debug(message: string, fields?: object): void
  /** Lines of one call carry its ids. */
  of(trace: Trace, fields?: object): Log
  /** The line of a request, of which there are more than of all others: put together by hand, from what needs no escaping. */
  request(line: RequestLine): void
  flush(): void
  /** Lines that could not be written so far. */
  lost(): number
}

export interface RequestLine {
  readonly traceId: string
  /** One that is known; `_OTHER` for any else. */
  readonly method: string
  /** The route's pattern, as a JSON string with its quotes. */
  readonly routeJson: string
  readonly status: number
  readonly durationMs: number
  readonly address: string | undefined
}

/** What never belongs in a log, wherever it stands in a line. */
const secrets = ['password', 'passwordHash', 'accessToken', 'refreshToken', 'token', 'authorization', 'secret', 'cookie']

/** Structured logs: one JSON object a line, to standard error unless told otherwise, in batches (`sink.ts`). */
export function createLogs(options: { level: LogLevel; write?: (line: string) => void }): Logs {
  const sink = options.write ? undefined : createSink(2, systemClock)
  const destination: pino.DestinationStream = { write: options.write ?? ((line) => sink?.write(line)) }
  const logger = pino({
    level: options.level, base: null, messageKey: 'message', errorKey: 'error', timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
  }, destination)
  class BoundLog implements Logs {
    readonly #trace: Trace | undefined
    readonly #fields: object | undefined
    constructor(trace?: Trace, fields?: object) {
      this.#trace = trace
      this.#fields = fields
    }
    #write(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: object): void {
      if (!logger.isLevelEnabled(level)) return
      logger[level]({ ...(this.#trace ? { trace_id: this.#trace.traceId, span_id: this.#trace.spanId } : {}), ...this.#fields, ...fields }, message)
    }
    debug(message: string, fields?: object): void { this.#write('debug', message, fields) }
    info(message: string, fields?: object): void { this.#write('info', message, fields) }
    warn(message: string, fields?: object): void { this.#write('warn', message, fields) }
    error(message: string, fields?: object): void { this.#write('error', message, fields) }
    of(trace: Trace, fields?: object): Log { return new BoundLog(trace, fields) }
    request({ traceId, method, routeJson, status, durationMs, address }: RequestLine): void {
      if (!tellsRequests) return
      destination.write(`{"level":"info","time":"${isoTime(systemClock.now())}","trace_id":"${traceId}","request_id":"${traceId}","method":"${method}","route":${routeJson},"status":${status},"duration_ms":${Math.round(durationMs * 1000) / 1000}${address === undefined ? '' : `,"address":"${address}"`},"message":"request"}\n`)
    }
    flush(): void { sink?.flush() }
    lost(): number { return sink?.lost ?? 0 }
  }
  const tellsRequests = logger.isLevelEnabled('info')
  return new BoundLog()
}

let [isoMs, isoText] = [Number.NaN, '']
/** Many lines are of one millisecond. */
function isoTime(nowMs: number): string {
  if (nowMs !== isoMs) [isoMs, isoText] = [nowMs, new Date(nowMs).toISOString()]
  return isoText
}
