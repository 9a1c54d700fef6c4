/** Rows as columns of a fixed width, each as wide as its widest value; the last one as it is. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all.map((row) => row.map((value, column) => column === row.length - 1 ? value : value.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}
