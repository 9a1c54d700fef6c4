/** What the web process holds: idle, and how much more after each of two periods of load. What a second period adds again is a leak. */
import { readFileSync } from 'node:fs'
import { bouts } from './bouts.ts'
import { type Options, withContenders } from './compete.ts'
import type { Result } from './report.ts'

const settleMs = 3_000
export const memoryRows = ['idle memory', 'memory after a second load'] as const
const idleBar = 120
/** Pages that an allocator takes and gives back, in MB: less than this is none that repeats. */
const growthBar = 8

export async function memory(soakSeconds: number, options: Options): Promise<Result[]> {
  const bout = bouts[0]
  if (!bout) throw new Error('There is no bout to take the web process from.')
  let [idle, first, second] = [0, 0, 0]
  // As the second start on a machine: the first has left behind what Node compiled.
  await withContenders(bout, ['ours'], { ...options, profileTo: undefined }, async () => {})
  await withContenders(bout, ['ours'], { ...options, profileTo: undefined }, async ([entry]) => {
    if (!entry) return
    const [, web] = entry
    const settled = async () => {
      await new Promise((resolve) => { setTimeout(resolve, settleMs) })
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${web.started.pid}/status`, 'utf8'))?.[1]) / 1024
    }
    idle = await settled()
    options.say(`idle: ${idle.toFixed(0)} MB`)
    await web.measure(soakSeconds)
    first = await settled()
    options.say(`after ${soakSeconds} s of load: ${first.toFixed(0)} MB`)
    await web.measure(soakSeconds)
    second = await settled()
    options.say(`after ${soakSeconds} s more: ${second.toFixed(0)} MB`)
  })
  const grown = second - first
  return [
    { name: memoryRows[0], unit: 'MB', ours: idle, peer: null, ratio: null, best: idle, bar: `at most ${idleBar} MB`, holds: idle <= idleBar, rounds: 1 },
    { name: memoryRows[1], unit: 'MB', ours: grown, peer: first - idle, ratio: null, best: grown, bar: `at most ${growthBar} MB more than after the first (peer: what the first added)`, holds: grown <= growthBar, rounds: 1 },
  ]
}
