import type { Handler, JobDefinition, ProcedureDefinition, SubscriberDefinition } from '../app/index.ts'
import { Crash, digestId, failed, isTenfoldError, Positions } from '../base/index.ts'
import type { Database } from '../data/index.ts'
import type { LoggedEvent } from '../events/index.ts'
import { heldGeneration } from '../events/index.ts'
import { acknowledgeWith, type RunRow } from '../jobs/index.ts'
import { deadlineIn, raceDeadline } from '../resilience/index.ts'
import type { Call, Platform } from './call.ts'
import { transactional } from './command.ts'
import { resume } from './durable.ts'
import { loadRecords, recordsKeptMs, runOf } from './run.ts'
import { actionContext } from './steps.ts'
import { ended } from './tracing.ts'

/** How long a subscriber may take over one event, in milliseconds. */
const reactionMs = 10_000

/** What runs without a caller who waits: reactions to events, jobs, and actions that must end. */
export interface Background {
  react(subscriber: SubscriberDefinition, event: LoggedEvent, id: string, generation: number): Promise<void>
  perform(row: RunRow, database: Database): Promise<'done' | 'acknowledged'>
}

export function createBackground(platform: Platform): Background {
  const commandJob = transactional(platform, (call) => ({ statement: () => acknowledgeWith(rows.get(call) as RunRow) }))
  const reaction = transactional(platform, (call) => { const held = deliveries.get(call); return held && { statement: () => heldGeneration(held) } })
  const deliveries = new WeakMap<Call, { name: string; generation: number }>()
  const rows = new WeakMap<Call, RunRow>()
  const { hostility } = platform

  return {
    async react(subscriber, event, id, generation) {
      const handler = subscriber.handlers.get(event.event)
      if (!handler) return
      const call = await callOf(platform, asCommand(subscriber, handler), event.payload, {
        key: digestId(`${id} ${subscriber.name}`), timeoutMs: reactionMs, traceparent: event.traceparent,
        record: { run: id, step: `${subscriber.name}@${generation}`, epoch: undefined, keepMs: recordsKeptMs },
      })
      if (subscriber.tables) deliveries.set(call, { name: subscriber.name, generation })
      await ended(platform, call.trace, () => reaction(call))
      if (!hostility) return
      hostility.note('event twice')
      await reaction(call)
    },

    async perform(row, database) {
      if (row.kind === 'action') {
        const procedure = platform.app.modules.get(row.name.split('.')[0] ?? '')?.procedures.get(row.name.split('.')[1] ?? '')
        if (!procedure) throw failed('definition', `The application has no action ${row.name} any more: bring it back until its runs have ended.`)
        const call = await callOf(platform, procedure, row.input, { key: row.id, timeoutMs: Math.max(procedure.timeoutMs, 30_000), traceparent: row.traceparent, caller: row.caller })
        await inTime(platform, call, procedure.name, resume(platform, call, row, database))
        return 'done'
      }
      const job = platform.app.modules.get(row.name.split('.')[0] ?? '')?.jobs.get(row.name.split('.')[1] ?? '')
      if (!job) throw failed('definition', `The application has no job ${row.name} any more: bring it back until its queue is empty, or discard what waits.`)
      return job.as === 'command' ? performCommand(job, row) : performAction(platform, job, row, database)
    },
  }

  async function performCommand(job: JobDefinition, row: RunRow): Promise<'acknowledged'> {
    const call = await callOf(platform, asCommand(job, job.run), row.input, { key: row.id, timeoutMs: job.timeoutMs, traceparent: row.traceparent, caller: row.caller })
    rows.set(call, row)
    await inTime(platform, call, job.name, commandJob(call))
    if (hostility) {
      hostility.note('job twice command')
      // Its acknowledgement has committed with its writes: the second time it must find that it is not the owner any more.
      const outcome = await commandJob(call).then(() => 'done again', (error: unknown) => isTenfoldError(error, 'run-lost') ? 'refused' : String(error))
      if (outcome !== 'refused') throw failed('internal', `The job ${job.name} was not refused the second time: ${outcome}.`)
    }
    return 'acknowledged'
  }
}

async function performAction(platform: Platform, job: JobDefinition, row: RunRow, database: Database): Promise<'done'> {
  const run = runOf(row, database)
  if (row.epoch > 1) await loadRecords(platform.data, run)
  const call = await callOf(platform, asAction(job), row.input, { key: row.id, timeoutMs: job.timeoutMs, traceparent: row.traceparent, caller: row.caller })
  const once = () => job.run(actionContext(platform, { ...call, run, path: '', now: run.startedAt }), row.input)
  await inTime(platform, call, job.name, once())
  if (platform.hostility) {
    platform.hostility.note('job twice action')
    await once().catch((error: unknown) => { if (!(error instanceof Crash)) throw error })
    platform.hostility.mayCrash(`before the job ${job.name} is acknowledged`)
  }
  return 'done'
}

/** A handler that does not heed its time limit is left behind: its lease ends it for others, its fences refuse what it still writes. */
function inTime<T>(platform: Platform, call: Call, name: string, work: Promise<T>): Promise<T> {
  return raceDeadline(platform.clock, call.deadline, 0, ended(platform, call.trace, () => work), () => failed('timeout', `The job ${name} passed its time limit.`))
}

interface CallOptions { key: string; timeoutMs: number; traceparent: string | null; caller?: Call['caller']; record?: Call['record'] }

/** It was found on a primary, so it has seen what was there: no position travels with a row (DESIGN.md, "Positions"). */
async function callOf(platform: Platform, procedure: ProcedureDefinition, input: unknown, options: CallOptions): Promise<Call> {
  const positions = new Positions()
  await Promise.all(platform.data.databases.map((database) => platform.data.wrote(database, positions)))
  const trace = platform.tracer.begin(options.traceparent ?? undefined, procedure.name, 'consumer')
  return {
    procedure, input, caller: options.caller ?? null, positions, deadline: deadlineIn(platform.clock, options.timeoutMs), trace, log: platform.logs.of(trace, { procedure: procedure.name }),
    key: options.key, now: platform.clock.now(), record: options.record,
  }
}

type Named = Pick<SubscriberDefinition | JobDefinition, 'name' | 'module' | 'shard'>
const nothing = {}

/** A reaction or a job, seen as the procedure that it is run as. */
function asCommand(definition: Named, run: Handler): ProcedureDefinition {
  return { ...asAction(definition), kind: 'command', run, command: { isolation: 'repeatable read', files: false } }
}

function asAction(definition: Named): ProcedureDefinition {
  return {
    kind: 'action', name: definition.name, module: definition.module, shard: definition.shard, input: nothing, output: nothing, describe: undefined, errors: [], timeoutMs: reactionMs,
    validate: () => {}, strip: () => null, run: async () => undefined,
  }
}
