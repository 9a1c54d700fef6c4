/** From figures to rows, and from rows to tables. */
import type { Bout, Row } from './bouts.ts'
import type { Machine } from './machine.ts'

export interface Result {
  readonly name: string
  readonly unit: string
  /** The median of the rounds. */
  readonly ours: number
  readonly peer: number | null
  /** The median of the rounds' own ratios: how many times as good as the peer, whichever way the unit points. */
  readonly ratio: number | null
  /** Of all rounds' ratios the best; where there is no peer, ours. */
  readonly best: number
  readonly bar: string | null
  readonly holds: boolean | null
  readonly rounds: number
}

export function resultOf(bout: Bout, row: Row, figures: ReadonlyMap<string, readonly number[]>): Result {
  const mine = figures.get(row.ours ?? 'ours') ?? []
  const others = row.peer === undefined ? undefined : figures.get(row.peer) ?? []
  const ratios = others?.map((other, round) => { const own = mine[round] ?? Number.NaN; return bout.better === 'more' ? own / other : other / own })
  const [ours, ratio] = [median(mine), ratios ? median(ratios) : null]
  const bar = row.ratio !== undefined ? `at least ${row.ratio} times` : row.atMost !== undefined ? `at most ${row.atMost} ${bout.unit}` : null
  const holds = row.ratio !== undefined ? (ratio ?? 0) >= row.ratio : row.atMost !== undefined ? ours <= row.atMost : null
  const best = ratios ? Math.max(...ratios) : bout.better === 'more' ? Math.max(...mine) : Math.min(...mine)
  return { name: row.name, unit: bout.unit, ours, peer: others ? median(others) : null, ratio, best, bar, holds, rounds: mine.length }
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] as number : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

const headings = ['', 'ours', 'peer', 'unit', 'ratio', 'best', 'bar', 'holds']

function cells(result: Result): string[] {
  const { name, ours, peer, unit, ratio, best, bar, holds } = result
  return [name, figure(ours), peer === null ? '' : figure(peer), unit, ratio === null ? '' : ratio.toFixed(2), ratio === null ? '' : best.toFixed(2), bar ?? 'none', holds === null ? '' : holds ? 'yes' : 'NO']
}

function figure(number: number): string {
  return number >= 1000 ? Math.round(number).toLocaleString('en') : number.toFixed(number < 10 ? 2 : 1)
}

export function plainTable(results: readonly Result[]): string {
  const rows = [headings, ...results.map(cells)]
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const isNumber = (column: number) => [1, 2, 4, 5].includes(column)
  return rows.map((row) => row.map((cell, column) => isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}

export function machineLines(machine: Machine): string[] {
  return [`${machine.cores} × ${machine.cpu}, ${machine.system}`, `Node ${machine.node}, Postgres ${machine.postgres}, ${machine.load}`, machine.libraries.join(', ')]
}

/** The page: what was measured, on what, when, and how to do it again. */
export function page(results: readonly Result[], machine: Machine, command: string, date: string): string {
  const table = [headings, headings.map((_, column) => [1, 2, 4, 5].includes(column) ? '---:' : '---'), ...results.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n')
  return `# Benchmarks

Each row is a ratio against a real peer from one interleaved run: contenders take turns, round by round, after a warm-up, each in a process of its own (one, where only the path differs). Ours and the
peer are medians; the ratio is the median of the rounds' own ratios, above 1 where ours is better, whether more or less of the unit is; best is the best round's.
Read the ratios, not the figures: those are this machine's, and of that hour. What each peer does, and where its settings come from, stands in [\`bench/peers\`](../bench/peers).

${table}

What the table leaves out. *Product from cache*: the peer writes one constant and nothing else; what separates ours from it is thirteen headers, a line of log, a trace id and a look-up, none of
which can be left away. *The order command*: both sides wait for the same Postgres. Our statements, replayed on ten connections with no code of ours around them, reach 2,000 to 2,500 orders a second
as they are, and 2,500 to 2,800 each order in one burst: about what the peer does, so that bar is not to be had by sending them better. *POST /orders*: ours makes its receipts and
sends its mails beside the requests, and nobody takes the jobs of the peer. *Own writes*: callers send back the token that they were given; single rounds were 0.77 to 1.22, since the
primary, the replica, the application and who asks it share two cores; so there are more of them, and 31 had 0.97 for their median. So do the *mix* and its replicas: what they take off the primary they take from it in replaying, and a second machine is what they are for; the row below says that it serves no read any more.
Rows near their bars fall on either side of them, as the machine is busy: in runs of one day *observability* was 0.79 to 0.92, the line of log and the tenth of requests that is told to a collector
being all that it can still leave away; *jobs processed* was 1.37 to 1.55 times graphile-worker.
*Memory*: after 20 s of load it has not stopped to grow: 20 s more added 7 to 25 MB from run to run, of periods of 60 s (\`--soak 60\`) the second added nothing (-0.3 MB).

Made on ${date} by

\`\`\`sh
${command}
\`\`\`

${machineLines(machine).map((line) => `- ${line}`).join('\n')}
`
}
