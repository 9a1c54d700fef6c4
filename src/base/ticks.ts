/**
 * Runs `task` once the events that are ready now have been handled: what they ask for together can then be asked together. All of a turn
 * of the event loop run behind each other.
 */
export function afterTick(task: () => void): void {
  if (waiting.push(task) === 1) setImmediate(runAll)
}

let waiting: (() => void)[] = []
let turns = 0

function runAll(): void {
  turns++
  const tasks = waiting
  waiting = []
  for (const [index, task] of tasks.entries()) {
    try {
      task()
    } catch (error) {
      // The others are not to suffer from it, and it is not to be lost.
      waiting.unshift(...tasks.slice(index + 1))
      if (waiting.length > 0) setImmediate(runAll)
      throw error
    }
  }
}

/** Which turn of the event loop this is, counted by those in which something was put off: two that are equal are one. */
export function turnCount(): number { return turns }

let turn: Promise<void> | undefined
/** Resolves when the events that are ready now have been handled; one promise for all who ask in a turn. */
export function turnOver(): Promise<void> {
  return turn ??= new Promise((resolve) => { afterTick(() => { turn = undefined; resolve() }) })
}
