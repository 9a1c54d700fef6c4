import pino from 'pino'
import type { Log } from '../app/index.ts'
import type { Trace } from './trace.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface Logs extends Log {
  debug(message: string, fields?: object): void
  /** Lines of one call carry its ids. */
  of(trace: Trace, fields?: object): Log
  flush(): void
}

/** What never belongs in a log, wherever it stands in a line. */
const secrets = ['password', 'passwordHash', 'accessToken', 'refreshToken', 'token', 'authorization', 'secret', 'cookie']

/** Structured logs: one JSON object a line, to standard error unless told otherwise, in batches. */
export function createLogs(options: { level: LogLevel; write?: (line: string) => void }): Logs {
  const destination = options.write ? { write: options.write } : pino.destination({ fd: 2, sync: false, minLength: 4096 })
  const logger = pino({
    level: options.level, base: null, messageKey: 'message', errorKey: 'error', timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
  }, destination as pino.DestinationStream)
  const write = (level: 'debug' | 'info' | 'warn' | 'error', bound?: object) => (message: string, fields?: object) => {
    if (logger.isLevelEnabled(level)) logger[level]({ ...bound, ...fields }, message)
  }
  const log = (bound?: object) => ({ debug: write('debug', bound), info: write('info', bound), warn: write('warn', bound), error: write('error', bound) })
  return {
    ...log(),
    of: (trace, fields) => log({ trace_id: trace.traceId, span_id: trace.spanId, ...fields }),
    flush: () => { if ('flushSync' in destination) try { destination.flushSync() } catch { /* not open yet: nothing was written */ } },
  }
}
