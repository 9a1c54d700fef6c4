export { createLogs, type LogLevel, type Logs } from './log.ts'
export { type Counter, createMetrics, type Histogram, type Metrics } from './metrics.ts'
export { startTrace, type Trace, traceparentOf } from './trace.ts'
