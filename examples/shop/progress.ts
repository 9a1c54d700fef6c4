/** What a bar needs of a stream; `process.stderr` is one. */
export interface ProgressStream { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number }

export interface ProgressBar {
  /** So much more is done. */
  advance(count: number): void
  /** So much is done altogether, of `total` if that has only now become known. */
  reach(count: number, total?: number): void
  /** The last line: the label and the summary, in place of the bar. */
  done(summary: string): void
}

const widestBar = 30

/**
 * Shows how far something has come: a bar on a terminal, at most one line for each 10 % elsewhere (a log, a pipe).
 * It never waits and holds no timer; a terminal too narrow for the bar shows less of it.
 */
export function progressBar(label: string, total: number, stream: ProgressStream = process.stderr): ProgressBar {
  let reached = 0
  let of = total
  let shown = ''
  let tenthsShown = 0

  function show(): void {
    const share = of > 0 ? Math.min(1, Math.max(0, reached / of)) : 0
    if (stream.isTTY === true) {
      const line = barLine(label, share, stream.columns)
      if (line !== shown) stream.write(`\r${line}\u001B[K`)
      shown = line
      return
    }
    const tenths = Math.floor(share * 10 + 1e-9)
    if (tenths > tenthsShown) stream.write(`${label} ${tenths * 10} %\n`)
    tenthsShown = Math.max(tenths, tenthsShown)
  }

  function reach(count: number, newTotal?: number): void {
    reached = count
    of = newTotal ?? of
    show()
  }

  return {
    advance: (count) => reach(reached + count),
    reach,
    done(summary) {
      stream.write(`${stream.isTTY === true ? '\r\u001B[K' : ''}${label}: ${summary}\n`)
      shown = ''
    },
  }
}

/** One column stays free: a line that fills the terminal would wrap, and could not be written over. */
function barLine(label: string, share: number, columns: number | undefined): string {
  const width = Math.max(0, (columns || 80) - 1)
  const percent = `${String(Math.floor(share * 100 + 1e-9)).padStart(3)} %`
  const barWidth = Math.min(widestBar, width - label.length - percent.length - 2)
  if (barWidth < 3) return (width < label.length + 1 + percent.length ? percent.trim() : `${label} ${percent}`).slice(0, width)
  const filled = Math.round(share * barWidth)
  return `${label} ${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)} ${percent}`
}
