import { backoffMs, type Clock, type Random } from '../base/index.ts'

/** Work that repeats in the background: when woken, else at least every `everyMs`. Never two passes at once. */
export interface Loop {
  /** There is something to do: a pass starts now, or right after the one under way. */
  wake(): void
  /** Ends after the pass under way. */
  stop(): Promise<void>
}

/**
 * `pass` answers whether there is more to do at once. One that fails is tried again after a growing, jittered pause (to 10 s); `failed` is told.
 */
export function startLoop(clock: Clock, random: Random, everyMs: number, pass: () => Promise<boolean>, failed: (error: unknown) => void): Loop {
  const stopping = new AbortController()
  let woken = false
  let nap = new AbortController()
  const run = async () => {
    for (let failures = 0; !stopping.signal.aborted;) {
      woken = false
      let more = false
      try {
        more = await pass()
        failures = 0
      } catch (error) {
        failed(error)
        failures++
      }
      if (more || woken || stopping.signal.aborted) continue
      nap = new AbortController()
      await clock.sleep(failures > 0 ? 50 + backoffMs(random, failures, 100, 10_000) : everyMs, AbortSignal.any([stopping.signal, nap.signal]))
    }
  }
  const ended = run()
  return {
    wake() { woken = true; nap.abort() },
    async stop() { stopping.abort(); await ended },
  }
}
