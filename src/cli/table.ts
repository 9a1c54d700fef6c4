/** Lines of cells under each other, two spaces apart; what is empty is a hyphen. */
export function columns(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => cell === '' ? '-' : cell))
  const widths = (cells[0] ?? []).map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)))
  return cells.map((row) => `${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ').trimEnd()}\n`).join('')
}

/** Lines that a terminal of so many columns does not break: what is left out of one is told by an ellipsis. Undefined: as they are. */
export function cutLines(text: string, columnsMax: number | undefined): string {
  if (!columnsMax) return text // a terminal that does not know its size says 0
  return text.split('\n').map((line) => line.length > columnsMax ? `${line.slice(0, columnsMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : line).join('\n')
}

/** How wide standard output is; undefined where it is no terminal, and whoever reads it wants all. */
export function terminalColumns(): number | undefined { return process.stdout.isTTY ? process.stdout.columns : undefined }
