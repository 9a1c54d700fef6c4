/**
 * `tenfold/jobs`: the queue alone, inside a service that is otherwise somebody else's. Jobs stand in the service's own Postgres, so that
 * one is enqueued in the very transaction that gives rise to it.
 */
import type { EnqueueOptions, JobDefinition } from '../app/index.ts'
import { type Duration, failed, milliseconds, reasonOf, systemClock, systemRandom } from '../base/index.ts'
import { clientOptions, connectionOf, createData, migrateJobs } from '../data/index.ts'
import { createMetrics } from '../observe/index.ts'
import { deadlineIn, type Loop, raceDeadline, startLoop } from '../resilience/index.ts'
import { createBell, hearBell } from './doorbell.ts'
import { enqueueStatement } from './enqueue.ts'
import type { RunRow } from './row.ts'
import { enqueueScheduled, nextRun } from './schedule.ts'
import { createWorker, type Worker } from './worker.ts'

export interface StandaloneJob<In> {
  /** Of one try; the handler's `signal` is aborted then. */
  readonly timeout: Duration
  /** How often it is tried; then it stands in `tenfold.dead`, with its reason. */
  readonly tries: number
  /** How many run at once, over all processes. */
  readonly concurrency?: number
  /** Five or six fields, in UTC; its input is then `{}`. */
  readonly cron?: string
  /** Runs at least once: give `id` to what must not happen twice. */
  run(input: In, context: { readonly id: string; readonly tries: number; readonly signal: AbortSignal }): Promise<void>
}

type AnyJobs = Readonly<Record<string, StandaloneJob<any>>>
type InputOf<J> = J extends StandaloneJob<infer In> ? In : never

export interface StandaloneJobsOptions<Jobs extends AnyJobs> {
  /** `postgres://...`, or where that is said: `env:DATABASE_URL`. */
  readonly database: string
  readonly jobs: Jobs
  /** Jobs of this process at once; 16 unless told. */
  readonly concurrency?: number
  /** Told of failures and dead letters; standard error unless told. */
  readonly onTrouble?: (message: string, fields: object) => void
}

/** Anything that runs a statement in the caller's transaction: a client of `pg`, or of what stands on it. */
export interface InTransaction { query(text: string, values: unknown[]): Promise<unknown> }

export interface StandaloneJobs<Jobs extends AnyJobs> {
  /** Makes the tables, in the schema `tenfold`, where they are missing. Safe to run at each start, in each process. Errors: `migration`. */
  migrate(): Promise<void>
  /**
   * Adds a job: with `in`, in the caller's transaction, and it is there once that has committed. Errors: `definition`; the driver's.
   */
  enqueue<N extends keyof Jobs & string>(name: N, input: InputOf<Jobs[N]>, options?: EnqueueOptions & { readonly in?: InTransaction }): Promise<void>
  /** Begins to work jobs off here. */
  start(): void
  /** Takes nothing new, and resolves when what was begun has ended. */
  stop(): Promise<void>
  close(): Promise<void>
}

const everyMs = { work: 200, schedule: 1_000 }

export function createJobs<const Jobs extends AnyJobs>(options: StandaloneJobsOptions<Jobs>): StandaloneJobs<Jobs> {
  const { concurrency = 16, onTrouble = (message, fields) => process.stderr.write(`${JSON.stringify({ message, ...fields })}\n`) } = options
  const connection = connectionOf(options.database, 'database')
  const data = createData({ databases: [{ name: connection.database, primary: connection, replicas: [] }], pool: { max: 8, waitMs: 5_000 } }, systemClock)
  const database = data.databaseOf(undefined)
  const jobs = new Map(Object.entries(options.jobs).map(([name, job]) => [name, definitionOf(name, job)]))
  for (const job of jobs.values()) if (job.cron !== undefined) nextRun(job, systemClock.now())
  const ring = createBell(data, database)
  const tell = (message: string, fields: object = {}) => onTrouble(message, fields)
  const metrics = createMetrics()
  let running: { worker: Worker; loops: Loop[]; bell: { stop(): Promise<void> } } | undefined

  async function perform(row: RunRow): Promise<'done'> {
    const job = options.jobs[row.name]
    const known = jobs.get(row.name)
    if (!job || !known) throw failed('definition', `There is no job ${row.name} here: bring it back until its queue is empty.`)
    const deadline = deadlineIn(systemClock, known.timeoutMs)
    const context = { id: row.id, tries: row.tries, get signal() { return deadline.signal } }
    await raceDeadline(systemClock, deadline, 0, job.run(row.input, context), () => failed('timeout', `The job ${row.name} passed its time limit.`))
    return 'done'
  }
  const wake = () => { running?.loops[0]?.wake() }
  return {
    migrate: () => migrateJobs(connection),
    async enqueue(name, input, { in: transaction, ...more } = {}) {
      const job = jobs.get(name)
      if (!job) throw failed('definition', `There is no job ${JSON.stringify(name)}: there is ${[...jobs.keys()].join(', ')}.`)
      const statement = enqueueStatement([{ job, input, options: more }], { bucket: 0, nowMs: systemClock.now(), key: systemRandom.bytes(16).toString('hex'), caller: null, traceparent: null })
      if (transaction) return void await transaction.query(statement.text, [...(statement.values ?? [])])
      await data.execute(database, statement)
      if (running) wake()
      else ring()
    },
    start() {
      if (running) return
      const told = (what: string) => (error: unknown) => onTrouble(`${what} failed and will try again`, { reason: reasonOf(error) })
      const worker = createWorker({ data, clock: systemClock, random: systemRandom, logs: { warn: tell, error: tell }, metrics, jobs, concurrency, perform })
      const work = startLoop(systemClock, systemRandom, everyMs.work, () => worker.pass(database), told('taking jobs'))
      const schedule = startLoop(systemClock, systemRandom, everyMs.schedule, () => enqueueScheduled(data, systemClock, jobs.values()), told('the schedule'))
      worker.onRoom = wake
      running = { worker, loops: [work, schedule], bell: hearBell(clientOptions(connection), systemClock, systemRandom, wake) }
    },
    async stop() {
      if (!running) return
      const { worker, loops, bell } = running
      running = undefined
      worker.onRoom = () => {}
      await Promise.all([bell.stop(), ...loops.map((loop) => loop.stop())])
      await worker.stop()
    },
    async close() {
      await this.stop()
      await data.close()
    },
  }
}

function definitionOf(name: string, { timeout, tries, concurrency, cron }: StandaloneJob<unknown>): Pick<JobDefinition, 'name' | 'as' | 'tries' | 'timeoutMs' | 'concurrency' | 'cron'> {
  if (!(Number.isInteger(tries) && tries >= 1)) throw failed('definition', `The job ${name} has ${tries} tries: use 1 or more.`)
  return { name, as: 'action', tries, timeoutMs: milliseconds(timeout, `${name}'s timeout`), concurrency, cron }
}
