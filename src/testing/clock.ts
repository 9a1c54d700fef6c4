import { type Clock, sleepOn } from '../base/index.ts'

/** A clock that runs as the real one does, and can be moved ahead: what was due by then happens at once. */
export interface MovableClock extends Clock {
  /** Milliseconds ahead. */
  move(byMs: number): void
}

export function movableClock(): MovableClock {
  let ahead = 0
  const timers = new Set<{ dueAt: number; fire: () => void }>()
  const monotonic = () => performance.now() + ahead
  const clock: MovableClock = {
    now: () => Date.now() + ahead,
    monotonic,
    after(delayMs, task, keepsAlive = false) {
      const real = setTimeout(() => timer.fire(), Math.min(delayMs, 2 ** 31 - 1))
      if (!keepsAlive) real.unref()
      const timer = { dueAt: monotonic() + delayMs, fire: () => { if (timers.delete(timer)) { clearTimeout(real); task() } } }
      timers.add(timer)
      return () => { timers.delete(timer); clearTimeout(real) }
    },
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
    move(byMs) {
      ahead += byMs
      const due = [...timers].filter(({ dueAt }) => dueAt <= monotonic()).toSorted((a, b) => a.dueAt - b.dueAt)
      for (const { fire } of due) fire()
    },
  }
  return clock
}
