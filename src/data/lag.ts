import type { Clock } from '../base/index.ts'

/**
 * How far a replica is behind, in time. The primary writes a heartbeat; the lag is the age of the first beat that the replica has not
 * got yet, so an idle primary has none, nor has one that is dead. Its moments are the primary's own, and ages are told by this process's
 * monotonic clock: no clock of two machines is compared.
 */
export interface Heartbeats {
  /** The primary's last beat: when it was written, by the primary's clock (milliseconds since the epoch). */
  heard(beatAt: number): void
  /** Milliseconds behind of who has got the beat of that moment last. */
  lagMs(knownBeatAt: number): number
}

/** So much earlier than the one before, in milliseconds, a beat is by another clock: after a failover it is another machine's. */
export const setbackMs = 1_000

/** Ten a second for a minute: who is further behind than that is behind by a minute at least. */
const beatsMax = 600

export function createHeartbeats(clock: Clock): Heartbeats {
  const beats: { at: number; heardAt: number }[] = []
  return {
    heard(at) {
      const last = beats.at(-1)?.at ?? -Infinity
      if (last > at + setbackMs) beats.length = 0 // another primary, whose clock is behind
      else if (last >= at) return
      beats.push({ at, heardAt: clock.monotonic() })
      if (beats.length > beatsMax) beats.shift()
    },
    lagMs(known) {
      const missed = known > (beats.at(-1)?.at ?? Infinity) + setbackMs ? beats[0] : beats.find(({ at }) => at > known)
      return missed ? clock.monotonic() - missed.heardAt : 0
    },
  }
}

/** Over its limit for so long, a replica is taken out; within it for as long, it comes back. */
export interface LagJudge { judge(lagMs: number): 'in' | 'out' }

export function createLagJudge(clock: Clock, limitMs: number, sustainedMs: number): LagJudge {
  let verdict: 'in' | 'out' = 'in'
  /** Since when what was last heard speaks against the verdict. */
  let since: number | undefined
  return {
    judge(lagMs) {
      const isAgainst = (lagMs > limitMs) === (verdict === 'in')
      if (!isAgainst) since = undefined
      else if (clock.monotonic() - (since ??= clock.monotonic()) >= sustainedMs) {
        verdict = verdict === 'in' ? 'out' : 'in'
        since = undefined
      }
      return verdict
    },
  }
}
