import type { Caller, EnqueueOptions, Job, JobDefinition } from '../app/index.ts'
import { bucketOf, deriveId, failed, fingerprint, milliseconds } from '../base/index.ts'
import type { Place, Statement } from '../data/index.ts'

/** A job that a command asked for, not yet committed. */
export interface Asked { readonly job: Pick<JobDefinition, 'name'>; readonly input: unknown; readonly options: EnqueueOptions }

/** Checks that the job is the module's own and in the command's bucket. Errors: `definition`, `invalid`. */
export function ask(job: Job<string, unknown>, input: unknown, options: EnqueueOptions, module: string, place: Place): Asked {
  const definition = job as unknown as JobDefinition // the builder makes both faces as one object
  if (definition.module.name !== module) throw failed('definition', `${module} enqueues ${definition.name}, which is another module's: emit an event that it reacts to.`)
  const { priority } = options
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 9)) throw failed('definition', `The job ${definition.name} is enqueued with priority ${priority}: use 0 (first) to 9 (last).`)
  definition.validate(input)
  if (definition.shard.kind === 'field' && place.bucket !== undefined) {
    const key = (input as Record<string, string | number>)[definition.shard.field]
    if (key === undefined || bucketOf(key) !== place.bucket) throw failed('definition', `The job ${definition.name} is enqueued with a ${definition.shard.field} of another bucket than its command's: a command writes one bucket; emit an event instead.`)
  }
  return { job: definition, input, options }
}

export interface EnqueueContext { readonly bucket: number; readonly nowMs: number; /** Ids follow from it: the same in every attempt. */ readonly key: string; readonly caller: Caller; readonly traceparent: string | null }

/** Adds them to the queue. Goes out with the command's COMMIT, and tells nobody: whoever committed wakes the workers. */
export function enqueueStatement(jobs: readonly Asked[], context: EnqueueContext): Statement {
  const { bucket, nowMs, key, caller, traceparent } = context
  jobs = jobs.filter(({ job, options }, index) => options.once === undefined || index === jobs.findIndex((other) => other.job === job && other.options.once === options.once))
  return {
    name: 'tenfold_enqueue',
    text: `insert into tenfold.runs (bucket, id, kind, name, input, fingerprint, caller, state, priority, due_at, once, started_at, traceparent)
      select $1, j.id, 'job', j.name, j.input, j.fingerprint, $9, 'waiting', j.priority, j.due_at, j.once, $10, $11
      from unnest($2::uuid[], $3::text[], $4::jsonb[], $5::text[], $6::smallint[], $7::timestamptz[], $8::text[]) as j(id, name, input, fingerprint, priority, due_at, once)
      on conflict (bucket, name, once) where once is not null and state = 'waiting' do update set once = excluded.once`, // locks the one that waits: it is not taken before this commits
    values: [bucket, jobs.map(({ job }, index) => deriveId(key, `job ${index} ${job.name}`, nowMs, bucket)), jobs.map(({ job }) => job.name), jobs.map(({ input }) => JSON.stringify(input)),
      jobs.map(({ input }) => fingerprint(input)), jobs.map(({ options }) => options.priority ?? 5),
      jobs.map(({ options }) => options.at ?? new Date(nowMs + (options.after ? milliseconds(options.after) : 0))), jobs.map(({ options }) => options.once ?? null),
      caller === null ? null : JSON.stringify(caller), new Date(nowMs), traceparent],
  }
}
