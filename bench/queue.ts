/** How a queue is measured, whichever it is. */
import { rate } from './contender.ts'

export interface Queue {
  /** From now on told of each job that starts, with its number. */
  onStarted(listener: (n: number) => void): void
  /** One job, in a transaction of its own. */
  add(n: number): Promise<unknown>
  addMany(count: number): Promise<unknown>
  /** Starts working off; answers how to stop. */
  start(): Promise<() => Promise<unknown>>
  /** Forgets what waits. */
  clear(): Promise<unknown>
}

/** How many jobs wait when a round begins, for each of its seconds: more than any of the contenders has worked off by its end. */
const jobsPerSecond = 20_000

export function measureQueue(queue: Queue): (what: string, seconds: number) => Promise<number> {
  return (what, seconds) => what === 'processed' ? processed(queue, seconds) : what === 'enqueued' ? enqueued(queue, seconds) : latency(queue, seconds)
}

/** Jobs a second, from the first that starts to the last of the round: starting the worker itself does not count. */
async function processed(queue: Queue, seconds: number): Promise<number> {
  const count = jobsPerSecond * seconds
  await queue.addMany(count)
  const { promise: over, resolve } = Promise.withResolvers<void>()
  let [seen, first, last] = [0, 0, 0]
  queue.onStarted(() => {
    last = performance.now()
    if (seen++ === 0) { first = last; setTimeout(resolve, seconds * 1000) }
    if (seen === count) resolve()
  })
  const stop = await queue.start()
  await over
  const found = (seen - 1) / ((last - first) / 1000)
  await stop()
  await queue.clear()
  return found
}

async function enqueued(queue: Queue, seconds: number): Promise<number> {
  let n = 0
  const found = await rate(seconds, 32, () => queue.add(n++))
  await queue.clear()
  return found
}

/** Milliseconds in the median from asking for a job to its start, on a worker that idles, one job at a time. */
async function latency(queue: Queue, seconds: number): Promise<number> {
  let started: () => void = () => {}
  queue.onStarted(() => started())
  const stop = await queue.start()
  const found: number[] = []
  for (const until = performance.now() + seconds * 1000; performance.now() < until;) {
    await new Promise((resolve) => { setTimeout(resolve, 20) })
    const { promise, resolve } = Promise.withResolvers<void>()
    started = resolve
    const asked = performance.now()
    await Promise.all([queue.add(found.length), promise.then(() => found.push(performance.now() - asked))])
  }
  await stop()
  return found.toSorted((one, other) => one - other)[Math.floor(found.length / 2)] ?? Number.NaN
}
