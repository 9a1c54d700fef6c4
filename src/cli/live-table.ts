import type { ComponentStatus } from '../ops/index.ts'
import { rigTable } from './rig.ts'
import { cutLines } from './table.ts'

/** A terminal's size as it is now, in letters. */
export interface Screen { readonly columns: number; readonly rows: number }

/** What to write as the programs of a stage change: a table that is drawn again in its place, or a line for each change. */
export interface LiveTable {
  /** `screen`: undefined where nobody looks, and a line is all that can be written. */
  show(status: readonly ComponentStatus[], screen: Screen | undefined): string
  /** Something else is printed from now on: what is above may not be written over any more. */
  settle(): void
}

export function liveTable(): LiveTable {
  let [drawn, isSettled]: [readonly string[], boolean] = [[], false]
  const told = new Map<string, string>()
  /** Back to where the table began; where its lines were broken by a smaller terminal, nobody knows where that is. */
  const back = ({ columns, rows }: Screen) => drawn.length > 0 && drawn.length < rows && drawn.every((line) => line.length <= columns) ? `\r\u001b[${drawn.length}A\u001b[J` : ''
  return {
    show(status, screen) {
      const changed = status.filter(({ name, state }) => told.get(name) !== state)
      for (const { name, state } of changed) told.set(name, state)
      if (screen && !isSettled && status.length + 1 < screen.rows) {
        const table = cutLines(rigTable(status), screen.columns)
        const text = `${back(screen)}${table}`
        drawn = table.split('\n').slice(0, -1)
        return text
      }
      drawn = []
      return changed.map(toldLine).join('')
    },
    settle() { isSettled = true },
  }
}

function toldLine({ name, state, address, startedInMs }: ComponentStatus): string {
  if (state === 'waiting') return ''
  return `  ${name}: ${state}${state === 'ready' ? ` at ${address} in ${((startedInMs ?? 0) / 1000).toFixed(1)} s` : ''}\n`
}
