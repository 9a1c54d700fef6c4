import { systemClock } from '../base/index.ts'

/** Bytes as a person reads them. */
export function readableBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 || bytes / 1000 ** power >= 100 ? 0 : 1)} ${units[power]}`
}

/** One line that grows, in a terminal; elsewhere a line every so often, so that a log of it stays short. */
export interface Progress {
  /** `expected`: undefined where nobody knows. */
  show(bytes: number, expected?: number): void
  say(text: string): void
  end(): void
}

const everyMs = { terminal: 100, log: 5_000 }

export function progressLine(label: string): Progress {
  const isTerminal = process.stderr.isTTY
  let [shownAt, open] = [systemClock.monotonic() - (isTerminal ? everyMs.terminal : 0), false]
  const clear = () => { if (open) process.stderr.write('\r\x1b[K'); open = false }
  return {
    show(bytes, expected) {
      const now = systemClock.monotonic()
      if (now - shownAt < (isTerminal ? everyMs.terminal : everyMs.log)) return
      shownAt = now
      // The server's estimate is made before it knows what it sends.
      const share = expected ? ` of ${readableBytes(Math.max(expected, bytes))} (${Math.min(99, Math.floor(100 * bytes / expected))} %)` : ''
      if (isTerminal) clear()
      process.stderr.write(`  ${label} ${readableBytes(bytes)}${share}${isTerminal ? '' : '\n'}`)
      open = isTerminal
    },
    say(text) { clear(); process.stderr.write(`  ${text}\n`) },
    end: clear,
  }
}
