import type { JobDefinition } from '../app/index.ts'
import { backoffMs, type Clock, Crash, isOutage, type Random, reasonOf } from '../base/index.ts'
import type { Data, Database } from '../data/index.ts'
import type { Logs, Metrics } from '../observe/index.ts'
import { acknowledge, bury, lengthen, putBack, renew, takeDue, takeLimited } from './queue.ts'
import { leaseMs, type RunRow } from './row.ts'

export interface WorkerOptions {
  readonly data: Data; readonly clock: Clock; readonly random: Random; readonly logs: Logs; readonly metrics: Metrics
  readonly jobs: ReadonlyMap<string, JobDefinition>
  /** Jobs of this process at once. */
  readonly concurrency: number
  /** Does the work of a row. `acknowledged` says that its end has committed already. */
  perform(row: RunRow, database: Database): Promise<'done' | 'acknowledged'>
}

export interface Worker {
  /** Takes what is due, as far as there is room, and starts it. Answers whether anything was taken. */
  pass(database: Database): Promise<boolean>
  /** Resolves when nothing is being worked on. */
  idle(): Promise<void>
  running(): number
}

/** An action is never given up by count: its backstop says when it ends. Only when even undoing has failed for this long, in milliseconds. */
const undoingMs = 24 * 3_600_000
/** A job in the midst of which more workers than this died, one after the other, is what kills them. */
const deathsMax = 5
const pauseMs = { base: 1_000, most: 600_000 }

export function createWorker(options: WorkerOptions): Worker {
  const { data, clock, jobs } = options
  const limited = [...jobs.values()].filter((job) => job.concurrency !== undefined)
  const limitedNames = limited.map(({ name }) => name)
  const working = new Map<Promise<void>, { row: RunRow; database: Database }>()
  let renewedAt = clock.monotonic()

  const start = (row: RunRow, database: Database) => {
    const work = workOff(options, row, database).finally(() => working.delete(work))
    working.set(work, { row, database })
  }
  let passes: Promise<unknown> = Promise.resolve()
  const room = () => options.concurrency - working.size
  return {
    pass: (database) => { const turn = passes.catch(() => {}).then(() => pass(database)); passes = turn; return turn },
    async idle() { while (working.size > 0) await Promise.allSettled(working.keys()) },
    running: () => working.size,
  }
  // One at a time over all databases: each counts the room that is left.
  async function pass(database: Database): Promise<boolean> {
      if (working.size > 0 && clock.monotonic() - renewedAt > leaseMs / 3) {
        renewedAt = clock.monotonic()
        await renew(data, database, [...working.values()].filter((work) => work.database === database && jobs.get(work.row.name)?.as !== 'command').map(({ row }) => row), clock.now())
      }
      if (room() <= 0) return false
      const taken = await takeDue(data, database, room(), clock.now(), { not: limitedNames })
      for (const job of limited) if (room() > taken.length) taken.push(...await takeLimited(data, database, job.name, job.concurrency ?? 1, room() - taken.length, clock.now()))
      // A job as a command deletes its row in its own snapshot: a renewal meanwhile would make that fail. It gets its whole time at once.
      const long = taken.filter(({ name }) => jobs.get(name)?.as === 'command')
      if (long.length > 0) await lengthen(data, database, long.map((row) => ({ ...row, untilMs: clock.now() + Math.max(leaseMs, (jobs.get(row.name)?.timeoutMs ?? 0) + 5_000) })))
      for (const row of taken) start(row, database)
      return taken.length > 0
  }
}

type Outcome = 'done' | 'failed' | 'dead' | 'unknown'

async function workOff(options: WorkerOptions, row: RunRow, database: Database): Promise<void> {
  const { clock, logs, metrics } = options
  const began = clock.monotonic()
  const outcome = await attempt(options, row, database).catch((error: unknown): Outcome => {
    // The database did not take the outcome: the lease ends, and the work is found again.
    logs.error('the outcome of a job could not be written', { job: row.name, id: row.id, reason: reasonOf(error) })
    return 'unknown'
  })
  metrics.histogram('tenfold_job_duration_seconds', 'How long jobs ran, by outcome', { job: row.name, outcome }).observe((clock.monotonic() - began) / 1000)
}

async function attempt(options: WorkerOptions, row: RunRow, database: Database): Promise<Outcome> {
  const { data, clock, random, logs } = options
  try {
    if (row.kind === 'job' && row.deaths > deathsMax) return await giveUp(options, row, database, `Its worker died in the midst of it ${row.deaths} times.`)
    if (await options.perform(row, database) === 'done' && row.kind === 'job') await acknowledge(data, database, [row])
    return 'done'
  } catch (error) {
    // The hostile stage: the worker "died". Its lease would end; here the work is found again at once, and no try is lost.
    if (error instanceof Crash) { await putBack(data, database, row, clock.now(), error.message, true); return 'failed' }
    if (!isOutage(error) && isHopeless(options, row)) return giveUp(options, row, database, reasonOf(error))
    logs.warn('a job failed and will be tried again', { job: row.name, id: row.id, tries: row.tries, reason: reasonOf(error) })
    // An action has said itself when it goes on; one that could not is found again when its lease ends.
    if (row.kind === 'job') await putBack(data, database, row, clock.now() + 100 + backoffMs(random, row.tries, pauseMs.base, pauseMs.most), reasonOf(error), isOutage(error))
    return 'failed'
  }
}

async function giveUp({ data, clock, logs }: WorkerOptions, row: RunRow, database: Database, reason: string): Promise<Outcome> {
  logs.error('a job gave up: it is a dead letter', { job: row.name, id: row.id, tries: row.tries, reason })
  await bury(data, database, row, reason, clock.now())
  return 'dead'
}

function isHopeless({ jobs, clock }: WorkerOptions, row: RunRow): boolean {
  if (row.kind === 'job') return row.tries >= (jobs.get(row.name)?.tries ?? 1)
  return row.give_up_at !== null && clock.now() > Date.parse(row.give_up_at) + undoingMs
}
