import type { JobDefinition } from '../app/index.ts'
import { afterTick, backoffMs, type Clock, Crash, isOutage, type Random, reasonOf } from '../base/index.ts'
import type { Data, Database } from '../data/index.ts'
import type { Histogram, Logs, Metrics } from '../observe/index.ts'
import { acknowledge, bury, giveBack, lengthen, putBack, renew, takeDue, takeLimited } from './queue.ts'
import { leaseMs, type RunRow } from './row.ts'

/**
 * Works off what is due. Rows are taken in batches, as many as there is room for and as will have found their turn within some 50 ms;
 * those that wait for it here are leased like those at work. What is done is acknowledged in batches too: the handler's place is free as
 * soon as it has ended, and its row goes with those that ended while the last batch was being written.
 */
export interface WorkerOptions {
  readonly data: Data; readonly clock: Clock; readonly random: Random; readonly logs: Pick<Logs, 'warn' | 'error'>; readonly metrics: Metrics
  readonly jobs: ReadonlyMap<string, Pick<JobDefinition, 'name' | 'as' | 'tries' | 'timeoutMs' | 'concurrency'>>
  /** Jobs of this process at once. */
  readonly concurrency: number
  /** Does the work of a row. `acknowledged` says that its end has committed already. */
  perform(row: RunRow, database: Database): Promise<'done' | 'acknowledged'>
}

export interface Worker {
  /** Takes what is due, as far as there is room, and starts it. Answers whether anything was taken. */
  pass(database: Database): Promise<boolean>
  /** Resolves when nothing is being worked on, and all that was is written down. */
  idle(): Promise<void>
  /** Gives back what has not been started, and takes nothing until it is idle. Whoever drives it makes no pass after this, unless it starts anew. */
  stop(): Promise<void>
  running(): number
  /** Told when a database that had more than there was room for may be asked again. */
  onRoom: (database: Database) => void
}

/** An action is never given up by count: its backstop says when it ends. Only when even undoing has failed for this long, in milliseconds. */
const undoingMs = 24 * 3_600_000
/** A job in the midst of which more workers than this died, one after the other, is what kills them. */
const deathsMax = 5
const pauseMs = { base: 1_000, most: 600_000 }
/** Rows beyond those at work: no more than are worked off in so many milliseconds, and so many at most. */
const [aheadMs, aheadMax] = [50, 500]
/** Acknowledgements under way at most: a database that does not keep up slows the work down. */
const unacknowledgedMax = 2_000

interface Taken { readonly row: RunRow; readonly database: Database }

export function createWorker(options: WorkerOptions): Worker {
  const { data, clock, jobs, concurrency } = options
  const limited = [...jobs.values()].filter((job) => job.concurrency !== undefined)
  const limitedNames = limited.map(({ name }) => name)
  const waiting: Taken[] = []
  const unfinished = new Map<Promise<void>, Taken>()
  const hungry = new Set<Database>()
  const speed = speedometer(clock)
  const ending = endings(options)
  let [handlers, stopped, renewedAt] = [0, false, clock.monotonic()]

  const hasPlace = () => handlers < concurrency && unfinished.size < unacknowledgedMax
  const pump = () => {
    while (waiting.length > 0 && hasPlace()) start(waiting.shift() as Taken)
    if (waiting.length === 0 && handlers < concurrency && !stopped) for (const database of hungry) { hungry.delete(database); worker.onRoom(database) }
  }
  const start = (taken: Taken) => {
    handlers++
    const handled = once(() => { handlers--; speed.count(); pump() })
    const work = ending.workOff(taken, handled).finally(() => { handled(); unfinished.delete(work); pump() })
    unfinished.set(work, taken)
  }
  const held = (database: Database) => [...unfinished.values(), ...waiting].filter((taken) => taken.database === database).map(({ row }) => row)

  // One at a time over all databases: each counts the room that is left.
  async function pass(database: Database): Promise<boolean> {
    if (handlers + waiting.length > 0 && clock.monotonic() - renewedAt > leaseMs / 3) {
      renewedAt = clock.monotonic()
      // A job as a command deletes its row in its own snapshot: a renewal meanwhile would make that fail.
      await renew(data, database, held(database).filter(({ name }) => jobs.get(name)?.as !== 'command'), clock.now())
    }
    const room = stopped ? 0 : concurrency - handlers - waiting.length + speed.ahead()
    if (room <= 0) { hungry.add(database); return false }
    const suspects = held(database).some(({ deaths }) => deaths > 0) ? 0 : 1
    const taken = await takeDue(data, database, room, clock.now(), { not: limitedNames, suspects })
    for (const job of limited) if (room > taken.length) taken.push(...await takeLimited(data, database, job.name, job.concurrency ?? 1, room - taken.length, clock.now()))
    if (taken.length >= room) hungry.add(database)
    // It gets its whole time at once.
    const long = taken.filter(({ name }) => jobs.get(name)?.as === 'command')
    if (long.length > 0) await lengthen(data, database, long.map((row) => ({ ...row, untilMs: clock.now() + Math.max(leaseMs, (jobs.get(row.name)?.timeoutMs ?? 0) + 5_000) })))
    for (const row of taken) waiting.push({ row, database })
    pump()
    return taken.length > 0
  }
  const idle = async () => { while (unfinished.size > 0 || waiting.length > 0) { pump(); await Promise.all(unfinished.keys()) } }
  let passes: Promise<unknown> = Promise.resolve()
  const worker: Worker = {
    onRoom: () => {}, idle, running: () => handlers,
    pass: (database) => { const turn = passes.catch(() => {}).then(() => pass(database)); passes = turn; return turn },
    async stop() {
      stopped = true
      await passes.catch(() => {})
      const back = Map.groupBy(waiting.splice(0), (taken) => taken.database)
      await Promise.all([...back].map(([database, taken]) => giveBack(data, database, taken.map(({ row }) => row), clock.now()).catch((error: unknown) => options.logs.error('jobs could not be given back: they are found again when their lease ends', { reason: reasonOf(error) }))))
      await idle()
      // It may be started again.
      stopped = false
    },
  }
  return worker
}

/** How many rows may wait here: as many as ended within the last moments would suggest. */
function speedometer(clock: Clock): { count(): void; ahead(): number } {
  let [ended, since, perMs] = [0, clock.monotonic(), 0]
  return {
    count() { ended++ },
    ahead() {
      const passedMs = clock.monotonic() - since
      if (passedMs > 5) {
        // Half of what is new: a burst does not make it greedy, nor a pause timid.
        perMs = (perMs + ended / passedMs) / 2
        ended = 0
        since += passedMs
      }
      return Math.min(aheadMax, Math.floor(perMs * aheadMs))
    },
  }
}

function once(work: () => void): () => void {
  let isDone = false
  return () => { if (!isDone) { isDone = true; work() } }
}

type Outcome = 'done' | 'failed' | 'dead' | 'unknown'

/** What becomes of a row: acknowledged, tried again, or given up; each written down. */
function endings(options: WorkerOptions) {
  const { data, clock, random, logs, metrics, jobs } = options
  const durations = new Map<string, Histogram>()
  const batches = new Map<Database, { rows: RunRow[]; written: Promise<void> }>()
  const writing = new Map<Database, Promise<void>>()

  const observe = (job: string, outcome: Outcome, began: number) => {
    const key = `${job} ${outcome}`
    let series = durations.get(key)
    if (!series) durations.set(key, series = metrics.histogram('tenfold_job_duration_seconds', 'How long jobs ran, by outcome', { job, outcome }))
    series.observe((clock.monotonic() - began) / 1000)
  }
  /** All of a tick in one statement; and while one is being written, all that end meanwhile in the next. */
  const acknowledged = ({ row, database }: Taken): Promise<void> => {
    let batch = batches.get(database)
    if (!batch) {
      const rows: RunRow[] = []
      const write = () => {
        batches.delete(database)
        const written = acknowledge(data, database, rows)
        writing.set(database, written.catch(() => { /* whoever waits for it hears of it */ }))
        return written
      }
      batches.set(database, batch = { rows, written: Promise.all([new Promise<void>(afterTick), writing.get(database)]).then(write) })
    }
    batch.rows.push(row)
    return batch.written
  }
  const giveUp = async ({ row, database }: Taken, reason: string): Promise<Outcome> => {
    logs.error('a job gave up: it is a dead letter', { job: row.name, id: row.id, tries: row.tries, reason })
    await bury(data, database, row, reason, clock.now())
    return 'dead'
  }
  const isHopeless = (row: RunRow) => row.kind === 'job' ? row.tries >= (jobs.get(row.name)?.tries ?? 1) : row.give_up_at !== null && clock.now() > Date.parse(row.give_up_at) + undoingMs

  async function attempt(taken: Taken, handled: () => void): Promise<Outcome> {
    const { row, database } = taken
    try {
      if (row.kind === 'job' && row.deaths > deathsMax) return await giveUp(taken, `Its worker died in the midst of it ${row.deaths} times.`)
      const end = await options.perform(row, database).finally(handled)
      if (end === 'done' && row.kind === 'job') await acknowledged(taken)
      return 'done'
    } catch (error) {
      // The hostile stage: the worker "died". Its lease would end; here the work is found again at once, and no try is lost.
      if (error instanceof Crash) { await putBack(data, database, row, clock.now(), error.message, true); return 'failed' }
      if (!isOutage(error) && isHopeless(row)) return giveUp(taken, reasonOf(error))
      logs.warn('a job failed and will be tried again', { job: row.name, id: row.id, tries: row.tries, reason: reasonOf(error) })
      // An action has said itself when it goes on; one that could not is found again when its lease ends.
      if (row.kind === 'job') await putBack(data, database, row, clock.now() + 100 + backoffMs(random, row.tries, pauseMs.base, pauseMs.most), reasonOf(error), isOutage(error))
      return 'failed'
    }
  }
  return {
    async workOff(taken: Taken, handled: () => void): Promise<void> {
      const began = clock.monotonic()
      const outcome = await attempt(taken, handled).catch((error: unknown): Outcome => {
        // The database did not take the outcome: the lease ends, and the work is found again.
        logs.error('the outcome of a job could not be written', { job: taken.row.name, id: taken.row.id, reason: reasonOf(error) })
        return 'unknown'
      })
      observe(taken.row.name, outcome, began)
    },
  }
}
