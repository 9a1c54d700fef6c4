/**
 * Counters, gauges and histograms in the Prometheus text format 0.0.4, under OpenTelemetry's semantic names (dots as underscores).
 * Ours because the hot path observes several for each call: a series is found once, at composition, and then costs an addition
 * (docs/dependencies.md has the figures).
 */
export interface Counter { add(amount?: number): void }
export interface Histogram { observe(value: number): void }
type Labels = Readonly<Record<string, string | number>>

/** Seconds: OpenTelemetry's advice for `http.server.request.duration`. */
const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** More series than this under one name means that a label holds an unbounded value: the rest is counted as one. */
const seriesMax = 2_000

interface Family { readonly help: string; readonly type: 'counter' | 'gauge' | 'histogram'; readonly series: Map<string, { text(name: string, labels: string): string }> }

export interface Metrics {
  counter(name: string, help: string, labels?: Labels): Counter
  /** `read` is asked when the page is. */
  gauge(name: string, help: string, labels: Labels, read: () => number): void
  histogram(name: string, help: string, labels?: Labels): Histogram
  /** The page. */
  text(): string
}

export function createMetrics(): Metrics {
  const families = new Map<string, Family>()
  const series = <S extends { text(name: string, labels: string): string }>(name: string, help: string, type: Family['type'], labels: Labels, make: () => S): S => {
    let family = families.get(name)
    if (!family) families.set(name, family = { help, type, series: new Map() })
    const key = family.series.size >= seriesMax ? 'overflow="true"' : labelText(labels)
    let found = family.series.get(key) as S | undefined
    if (!found) family.series.set(key, found = make())
    return found
  }
  return {
    counter: (name, help, labels = {}) => series(name, help, 'counter', labels, () => {
      let total = 0
      return { add: (amount = 1) => { total += amount }, text: (family, text) => `${family}${braces(text)} ${total}\n` }
    }),
    gauge: (name, help, labels, read) => { series(name, help, 'gauge', labels, () => ({ text: (family, text) => `${family}${braces(text)} ${read()}\n` })) },
    histogram: (name, help, labels = {}) => series(name, help, 'histogram', labels, () => makeHistogram()),
    text: () => [...families].map(([name, { help, type, series: rows }]) =>
      `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${[...rows].map(([labels, row]) => row.text(name, labels)).join('')}`).join(''),
  }
}

function makeHistogram(): Histogram & { text(name: string, labels: string): string } {
  const counts = new Float64Array(durationBounds.length + 1)
  let sum = 0
  return {
    observe(value) {
      let index = 0
      while (index < durationBounds.length && value > (durationBounds[index] as number)) index++
      counts[index] = (counts[index] as number) + 1
      sum += value
    },
    text(name, labels) {
      let total = 0
      const rows = [...durationBounds, '+Inf'].map((bound, index) => {
        total += counts[index] as number
        return `${name}_bucket{${labels}${labels && ','}le="${bound}"} ${total}\n`
      })
      return `${rows.join('')}${name}_sum${braces(labels)} ${sum}\n${name}_count${braces(labels)} ${total}\n`
    },
  }
}

function labelText(labels: Labels): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${String(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`).join(',')
}

function braces(labels: string): string { return labels ? `{${labels}}` : '' }
