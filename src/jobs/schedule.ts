import { Cron } from 'croner'
import type { JobDefinition } from '../app/index.ts'
import { type Clock, deriveId, failed, fingerprint } from '../base/index.ts'
import type { Data } from '../data/index.ts'

/** Enqueues each scheduled job that has come due since it last was, once however many processes ask. What was missed is made up for once. */
export async function enqueueScheduled(data: Data, clock: Clock, jobs: Iterable<Pick<JobDefinition, 'name' | 'cron'>>): Promise<boolean> {
  const home = data.databaseOf(undefined)
  let any = false
  for (const job of jobs) {
    if (job.cron === undefined) continue
    const now = clock.now()
    const [row] = await data.execute<{ last_at: string }>(home, {
      name: 'tenfold_schedule', text: `insert into tenfold.schedules (name, last_at) values ($1, $2) on conflict (name) do update set name = excluded.name returning last_at`, values: [job.name, new Date(now)],
    })
    const due = nextRun(job, Date.parse(row?.last_at ?? ''))
    if (due === undefined || due > now) continue
    // One statement: whoever moves the mark adds the job.
    const added = await data.execute(home, {
      name: 'tenfold_scheduled',
      text: `with moved as (update tenfold.schedules set last_at = $2 where name = $1 and last_at = $3 returning 1)
        insert into tenfold.runs (bucket, id, kind, name, input, fingerprint, state, due_at, started_at) select 0, $4, 'job', $1, '{}', $5, 'waiting', $2, $2 from moved on conflict do nothing returning 1`,
      values: [job.name, new Date(now), row?.last_at, deriveId(job.name, 'schedule', due, 0), fingerprint({})],
    })
    any ||= added.length > 0
  }
  return any
}

/** When a schedule fires first after that time, both in milliseconds since the epoch. Errors: `definition` for a pattern that is none. */
export function nextRun(job: Pick<JobDefinition, 'name' | 'cron'>, afterMs: number): number | undefined {
  try {
    return new Cron(job.cron ?? '', { timezone: 'UTC' }).nextRun(new Date(afterMs))?.getTime()
  } catch (cause) {
    throw failed('definition', `The job ${job.name} has the schedule ${JSON.stringify(job.cron)}, which is no cron expression: write five fields, such as '0 3 * * *'.`, { cause })
  }
}
