import { lineReasons, skipReasons } from '../data/invoices.ts'
import { formatPence } from '../money.ts'
import type { Outcome } from './replay.ts'

/** Nearest rank: the smallest of them that at least that share does not exceed; undefined of none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  return values.toSorted((one, other) => one - other)[Math.max(0, Math.ceil(values.length * share) - 1)]
}

const rounded = (value: number | undefined) => value === undefined ? null : Math.round(value * 10) / 10

/** For programs: amounts in pence, times in milliseconds. */
export function jsonReport({ orders, lines, units, revenue, skipped, leftOut, latencies, seconds, finished }: Outcome): object {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => rounded(percentile(latencies, share)))
  return { orders, lines, units, revenue, skipped, leftOut, latencyMs: { p50, p95, p99 }, seconds: rounded(seconds), finished }
}

export function tableReport(outcome: Outcome): string {
  const { orders, lines, units, revenue, skipped, leftOut, latencies, seconds } = outcome
  const count = (value: number) => value.toLocaleString('en-GB')
  const skips = Object.entries(skipped).map(([reason, times]) => ['skipped', count(times), `invoices ${skipReasons[reason as keyof typeof skipReasons] ?? `refused: ${reason}`}`] as const)
  const gone = Object.entries(leftOut).map(([reason, times]) => ['left out', count(times), `lines ${lineReasons[reason as keyof typeof lineReasons]}`] as const)
  const times = ([['p50', 0.5], ['p95', 0.95], ['p99', 0.99]] as const).map(([name, share]) => [`latency ${name}`, rounded(percentile(latencies, share))?.toFixed(1) ?? '-', 'ms'] as const)
  const rows = [
    ['orders', count(orders), `in ${seconds.toFixed(1)} s`], ['lines', count(lines), ''], ['units', count(units), ''], ['revenue', formatPence(revenue), ''], ...skips, ...gone, ...times,
  ] as const
  const width = Math.max(...rows.map(([, value]) => value.length))
  return rows.map(([name, value, more]) => `${name.padEnd(12)}  ${value.padStart(width)}  ${more}`.trimEnd()).join('\n')
}
