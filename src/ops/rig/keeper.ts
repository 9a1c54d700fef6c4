import { backoffMs } from '../../base/backoff.ts'
import { systemClock } from '../../base/clock.ts'
import { reasonOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Component, ComponentPlace, Role, RunningComponent } from './component.ts'

/** How a component is. `waiting`: for those that it needs. `restarting`: it ended by itself and comes back after a pause. */
export type ComponentState = 'waiting' | 'starting' | 'ready' | 'restarting' | 'stopping' | 'stopped' | 'failed'

export interface ComponentStatus {
  readonly name: string
  readonly role: Role
  readonly state: ComponentState
  /** `host:port`, once it was ready. */
  readonly address: string | undefined
  readonly pid: number | undefined
  /** What its last start took, in milliseconds. */
  readonly startedInMs: number | undefined
  /** How often it ended by itself. */
  readonly restarts: number
}

/** Keeps one component running, from `start` to `stop`. */
export interface Keeper {
  readonly component: Component
  readonly status: ComponentStatus
  /** Once `needed` has resolved. Rejects where it, or this component, could not be started: it is not tried again. */
  start(needed: Promise<unknown>): Promise<void>
  /** Goes no further with what is being started. */
  leave(): void
  /** Also in the midst of a start. */
  stop(): Promise<void>
}

/** A pause grows to this, in milliseconds; who has run for a minute begins anew. */
const [firstPauseMs, longestPauseMs, calmMs] = [200, 10_000, 60_000]

export function createKeeper(component: Component, inRig: Omit<ComponentPlace, 'signal' | 'now'>, changed: () => void): Keeper {
  const { name, role } = component
  const leaving = new AbortController()
  let status: ComponentStatus = { name, role, state: 'waiting', address: undefined, pid: undefined, startedInMs: undefined, restarts: 0 }
  let running: RunningComponent | undefined
  /** Settles when nothing more is started. */
  let starting: Promise<unknown> = Promise.resolve()
  const change = (to: Partial<ComponentStatus>) => { status = { ...status, ...to }; changed() }
  const now: ComponentPlace['now'] = (is) => { if (running && !leaving.signal.aborted && (is.role !== status.role || is.state !== status.state)) change(is) }
  const place: ComponentPlace = { ...inRig, now, signal: leaving.signal }

  const startOnce = async () => {
    const began = systemClock.monotonic()
    running = await component.start(place)
    change({ state: 'ready', role: running.role ?? role, address: running.address, pid: running.pid, startedInMs: Math.round(systemClock.monotonic() - began) })
  }
  const guard = async () => {
    for (let tries = 0; running; ) {
      const since = systemClock.monotonic()
      const lastWords = await running.ended
      if (leaving.signal.aborted) return
      running = undefined
      place.log(`\n${name} ended by itself: ${lastWords.trimEnd().split('\n').at(-1) ?? ''}\n`)
      change({ state: 'restarting', role, pid: undefined, restarts: status.restarts + 1 })
      if (systemClock.monotonic() - since > calmMs) tries = 0
      tries = await again(startOnce, tries, leaving.signal, (error) => place.log(`${name} does not come back: ${reasonOf(error)}\n`))
    }
  }
  const begin = async (needed: Promise<unknown>) => {
    await needed
    leaving.signal.throwIfAborted()
    change({ state: 'starting' })
    try {
      await component.prepare(place)
      await startOnce()
    } catch (error) {
      change({ state: 'failed' })
      throw error
    }
  }
  return {
    component,
    get status() { return status },
    start(needed) {
      const began = begin(needed)
      starting = began.then(() => { starting = guard() }, () => { /* told to who asked */ })
      return began
    },
    leave() { leaving.abort() },
    async stop() {
      leaving.abort()
      if (running) change({ state: 'stopping' })
      await running?.stop()
      await starting
      await running?.stop() // one that was just coming back
      await starting
      running = undefined
      if (status.state !== 'failed' && status.state !== 'waiting') change({ state: 'stopped', pid: undefined })
    },
  }
}

/** Tries until it succeeds or is told to leave, with growing pauses. Answers how often it has tried in all. */
async function again(start: () => Promise<void>, earlier: number, leaving: AbortSignal, failed: (error: unknown) => void): Promise<number> {
  for (let tries = earlier; ; tries += 1) {
    if (tries > 0) await systemClock.sleep(firstPauseMs / 2 + backoffMs(systemRandom, tries, firstPauseMs, longestPauseMs), leaving)
    if (leaving.aborted) return tries
    try {
      await start()
      return tries + 1
    } catch (error) {
      failed(error)
    }
  }
}
