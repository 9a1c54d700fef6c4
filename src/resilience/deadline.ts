import { afterTick, type Clock, failed } from '../base/index.ts'

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
  return new Until(clock, clock.monotonic() + timeoutMs, parent)
}

class Until implements Deadline {
  readonly #clock: Clock
  readonly #at: number
  readonly #parent: AbortSignal | undefined
  #signal: AbortSignal | undefined
  constructor(clock: Clock, at: number, parent: AbortSignal | undefined) {
    this.#clock = clock
    this.#at = at
    this.#parent = parent
    this.#signal = undefined
  }
  remainingMs(): number { return Math.max(0, this.#at - this.#clock.monotonic()) }
  get signal(): AbortSignal {
    if (this.#signal) return this.#signal
    const controller = new AbortController()
    const timeUp = () => controller.abort(failed('timeout', 'The time limit of this call passed.'))
    if (this.remainingMs() === 0) timeUp()
    else this.#clock.after(this.remainingMs(), timeUp)
    return this.#signal = this.#parent ? AbortSignal.any([controller.signal, this.#parent]) : controller.signal
  }
  within(timeoutMs: number): Deadline {
    const sooner = this.#clock.monotonic() + timeoutMs
    return sooner < this.#at ? new Until(this.#clock, sooner, this.#signal ?? this.#parent) : this
  }
  check(what: string): void {
    if (this.remainingMs() === 0) throw failed('timeout', `${what} passed its time limit: try again, or raise its timeout.`)
  }
}

/**
 * The answer of `work`, or the error of `late` once the deadline (and `graceMs` more) has passed. Most work is over within the turn of the
 * event loop in which it began: only what is not gets a timer.
 */
export function raceDeadline<T>(clock: Clock, deadline: Deadline, graceMs: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false
    let cancel: (() => void) | undefined
    const over = () => { isOver = true; cancel?.() }
    work.then((answer) => { over(); resolve(answer) }, (error: Error) => { over(); reject(error) })
    afterTick(() => { if (!isOver) cancel = clock.after(deadline.remainingMs() + graceMs, () => reject(late())) })
  })
}
