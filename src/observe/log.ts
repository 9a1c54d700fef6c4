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
  flush(): void
  /** Lines that could not be written so far. */
  lost(): number
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
  const write = (level: 'debug' | 'info' | 'warn' | 'error', bound?: object) => (message: string, fields?: object) => {
    if (logger.isLevelEnabled(level)) logger[level]({ ...bound, ...fields }, message)
  }
  const log = (bound?: object) => ({ debug: write('debug', bound), info: write('info', bound), warn: write('warn', bound), error: write('error', bound) })
  return {
    ...log(),
    of: (trace, fields) => log({ trace_id: trace.traceId, span_id: trace.spanId, ...fields }),
    flush: () => sink?.flush(),
    lost: () => sink?.lost ?? 0,
  }
}
