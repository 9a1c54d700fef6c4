import { type Clock, failed } from '../base/index.ts'

/** Until when a call may work. It passes through every call that it makes, and reaches SQL as `statement_timeout`. */
export interface Deadline {
  /** Milliseconds left, never below 0. */
  remainingMs(): number
  /** Aborted when the time is over. Made when first asked for: most calls never look. */
  readonly signal: AbortSignal
  /** The same or an earlier one. */
  within(timeoutMs: number): Deadline
  /** Throws `timeout` when the time is over. */
  check(what: string): void
}

export function deadlineIn(clock: Clock, timeoutMs: number, parent?: AbortSignal): Deadline {
  return until(clock, clock.monotonic() + timeoutMs, parent)
}

function until(clock: Clock, at: number, parent: AbortSignal | undefined): Deadline {
  let signal: AbortSignal | undefined
  const remainingMs = () => Math.max(0, at - clock.monotonic())
  return {
    remainingMs,
    get signal() {
      if (!signal) {
        const controller = new AbortController()
        const timeUp = () => controller.abort(failed('timeout', 'The time limit of this call passed.'))
        if (remainingMs() === 0) timeUp()
        else clock.after(remainingMs(), timeUp)
        signal = parent ? AbortSignal.any([controller.signal, parent]) : controller.signal
      }
      return signal
    },
    within(timeoutMs) {
      const sooner = clock.monotonic() + timeoutMs
      return sooner < at ? until(clock, sooner, signal ?? parent) : this
    },
    check(what) {
      if (remainingMs() === 0) throw failed('timeout', `${what} passed its time limit: try again, or raise its timeout.`)
    },
  }
}

/** The answer of `work`, or the error of `late` once the deadline (and `graceMs` more) has passed. */
export async function raceDeadline<T>(clock: Clock, deadline: Deadline, graceMs: number, work: Promise<T>, late: () => Error): Promise<T> {
  let cancel = () => {}
  const timeUp = new Promise<never>((_, reject) => { cancel = clock.after(deadline.remainingMs() + graceMs, () => reject(late())) })
  try {
    return await Promise.race([work, timeUp])
  } finally {
    cancel()
  }
}
