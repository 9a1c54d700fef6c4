/**
 * Time comes in from outside: every tier takes a `Clock`, tests give a movable one (`testing/clock.ts`).
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  monotonic(): number
  /** Runs `task` once after `delayMs`; the answer cancels it. Does not keep the process alive unless told. */
  after(delayMs: number, task: () => void, keepsAlive?: boolean): () => void
  /** Resolves after `delayMs`, or at once when `signal` is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

/** A timer can't be set further away than this; what is due later is asked about again. */
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, task, keepsAlive = false) {
    const timer = setTimeout(task, Math.min(delayMs, longestTimerMs))
    if (!keepsAlive) timer.unref()
    return () => clearTimeout(timer)
  },
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
}

/** `sleep` in terms of `after`: shared by every clock. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const wake = () => { cancel(); signal?.removeEventListener('abort', wake); resolve() }
    const cancel = clock.after(delayMs, wake, true)
    signal?.addEventListener('abort', wake, { once: true })
  })
}
