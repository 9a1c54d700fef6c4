import { systemClock } from '../base/index.ts'

/** npm passes on the Ctrl-C that the terminal has sent already: what comes this soon after the first is the same one, in milliseconds. */
const echoMs = 1_000

/** The first signal asks, a later one insists; who takes longer than `leaveMs` is ended. */
export function leaving(leaveMs: number): { readonly asked: Promise<void>; readonly signal: AbortSignal; hear(): void; done(): void } {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const controller = new AbortController()
  let first: number | undefined
  const hear = () => {
    if (first !== undefined) {
      if (systemClock.monotonic() - first > echoMs) process.exit(130)
      return
    }
    first = systemClock.monotonic()
    resolve()
    controller.abort()
    systemClock.after(leaveMs, () => process.exit(1))
  }
  process.on('SIGINT', hear)
  process.on('SIGTERM', hear)
  return { asked, signal: controller.signal, hear, done: () => { process.off('SIGINT', hear); process.off('SIGTERM', hear) } }
}
