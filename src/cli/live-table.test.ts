import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ComponentStatus } from '../ops/index.ts'
import { liveTable, type Screen } from './live-table.ts'

const component = (name: string, state: ComponentStatus['state'], more: Partial<ComponentStatus> = {}): ComponentStatus => ({ name, role: 'application', state, address: undefined, pid: undefined, startedInMs: undefined, restarts: 0, ...more })
const ready = { address: '127.0.0.1:31234', pid: 1_234_567, startedInMs: 12_345 } as const
const starting = [component('primary', 'ready', ready), component('application', 'starting')]
const whole = [component('primary', 'ready', ready), component('application', 'ready', ready)]
const restarting = [component('primary', 'ready', ready), component('application', 'restarting', { ...ready, restarts: 1 })]

const escape = '\u001b'

/** What a terminal shows after that was written to it: it breaks lines that are too long, and knows the three sequences that are used. */
function shown(columns: number, ...written: readonly string[]): string[] {
  const lines: string[] = ['']
  let [row, column] = [0, 0]
  const put = (letter: string) => {
    if (column === columns) [row, column] = [row + 1, 0]
    lines[row] = (lines[row] ?? '').slice(0, column).padEnd(column) + letter + (lines[row] ?? '').slice(column + 1)
    column++
  }
  for (const [part, up] of written.join('').replaceAll(escape, '⎋').matchAll(/⎋\[(\d+)A|⎋\[J|[^]/gu)) {
    if (up) row = Math.max(0, row - Number(up))
    else if (part === '⎋[J') { lines.length = row + 1; lines[row] = (lines[row] ?? '').slice(0, column) }
    else if (part === '\r') column = 0
    else if (part === '\n') { [row, column] = [row + 1, 0]; lines[row] ??= '' }
    else put(part)
  }
  return lines.slice(0, lines.at(-1) === '' ? -1 : undefined)
}

test('while a stage comes up its table is drawn in one place, at any width', () => {
  for (const columns of [20, 40, 60, 79, 80, 81, 200]) {
    const [table, screen]: [ReturnType<typeof liveTable>, Screen] = [liveTable(), { columns, rows: 24 }]
    const lines = shown(columns, '$ tenfold up\n', table.show(starting, screen), '^C', table.show(restarting, screen), table.show(whole, screen))
    assert.equal(lines.length, 4, `${columns}: ${lines.join('|')}`)
    assert.deepEqual([lines[0], lines.filter((line) => line.startsWith('NAME')).length], ['$ tenfold up', 1])
    assert.ok(lines.every((line) => line.length <= columns))
    assert.match(lines[3] ?? '', /^application/)
  }
})

test('what was printed below it stays: from then on each change is a line', () => {
  const [table, screen] = [liveTable(), { columns: 80, rows: 24 }]
  const before = [table.show(starting, screen), table.show(whole, screen)]
  table.settle()
  const lines = shown(80, ...before, 'ready in 1.0 s at http://127.0.0.1:3000\n', table.show(restarting, screen), table.show(restarting, screen), table.show(whole, screen))
  assert.deepEqual(lines.slice(3), ['ready in 1.0 s at http://127.0.0.1:3000', '  application: restarting', '  application: ready at 127.0.0.1:31234 in 12.3 s'])
})

test('a terminal that was made smaller has broken its lines: the table is drawn anew below; a larger one shows more of it', () => {
  const table = liveTable()
  const wide = table.show(starting, { columns: 80, rows: 24 })
  assert.equal(table.show(restarting, { columns: 40, rows: 24 }).includes(escape), false)
  const lines = shown(200, 'above\n', wide, table.show(whole, { columns: 200, rows: 24 }))
  assert.deepEqual([lines.length, lines[0], lines[3]?.includes('12.3 s')], [4, 'above', true])
})

test('without a terminal, or in one that is too low, each change is a line, and a program that waits is none', () => {
  for (const screen of [undefined, { columns: 80, rows: 2 }]) {
    const table = liveTable()
    const written = [[component('primary', 'waiting')], [component('primary', 'starting')], [component('primary', 'starting')], [component('primary', 'ready', ready)]].map((status) => table.show(status, screen))
    assert.equal(written.join(''), '  primary: starting\n  primary: ready at 127.0.0.1:31234 in 12.3 s\n')
  }
  const low = liveTable()
  assert.equal(low.show(whole, { columns: 80, rows: 3 }), '  primary: ready at 127.0.0.1:31234 in 12.3 s\n  application: ready at 127.0.0.1:31234 in 12.3 s\n')
})
