import type { Backstop, ProcedureDefinition } from '../app/index.ts'
import { bucketOf, Crash, digestId, failed, fingerprint, isTenfoldError, reasonOf, TenfoldError } from '../base/index.ts'
import { traceparentOf } from '../observe/index.ts'
import { deadlineIn } from '../resilience/index.ts'
import { type Call, callerKey, type Platform, type Step, type Way } from './call.ts'
import { stepChanged } from './records.ts'
import type { Database } from '../data/index.ts'
import type { KeptRefusal, RunRow } from '../jobs/index.ts'
import { recordsKeptMs, flushRecords, homeOf, loadRecords, type Run, runOf } from './run.ts'
import { abandonRun, beginUndo, dropRun, endRun, findRun, insertRun, leaveRun, leftSomething, takeRun } from './runs.ts'
import { actionContext } from './steps.ts'

/** An undo has its own time: the action's may just have passed. */
const undoTimeoutMs = 30_000

/**
 * The life of a run (ARCHITECTURE.md draws it). An action with a client's key or a backstop is written down before its first step; it
 * ends done, or undone, or is left to its backstop; a repeat of its key is answered from it. An action with neither, or one that is a
 * step of another's run, passes through.
 */
export function durable(platform: Platform): Step {
  return (next) => async (call) => {
    const { backstop } = call.procedure.action ?? {}
    if (call.run !== undefined || (backstop === undefined && call.idempotencyKey === undefined)) return next(call)
    for (;;) {
      const owned = await own(platform, call)
      if ('answer' in owned) return owned.answer
      if (owned.undoing) { await undo(platform, call, owned.run); continue }
      try {
        return await attempt(platform, call, next, owned.run)
      } catch (error) {
        // Lost: another process goes on with it; its outcome is the answer. Crashed: this process plays the other one.
        if (error instanceof Crash) await abandonRun(platform.data, owned.run, platform.clock.now())
        else if (!isTenfoldError(error, 'run-lost')) throw error
      }
    }
  }
}

/** A command from outside with a client's key: its record commits with its rows, and a repeat is answered from it. */
export const keyed: Step = (next) => (call) => {
  const { idempotencyKey } = call
  if (idempotencyKey === undefined) return next(call)
  const id = digestId(`${callerKey(call.caller)}\n${call.procedure.name}\n${idempotencyKey}`)
  return next({ ...call, key: id, record: { run: id, step: call.procedure.name, epoch: undefined, keepMs: recordsKeptMs } })
    .catch((error: unknown) => { throw isTenfoldError(error, 'step-changed') ? keyReused(idempotencyKey) : error })
}

/** Takes up a run whose owner died, or that was left unfinished: what the worker does when a run is due. */
export async function resume(platform: Platform, call: Call, row: RunRow, database: Database): Promise<void> {
  const run = runOf(row, database)
  await loadRecords(platform.data, run)
  const handler: Way = (inner) => platform.way(inner.procedure)({ ...inner, run, path: '' })
  if (row.give_up_at !== null && Date.parse(row.give_up_at) <= platform.clock.now()) await undo(platform, call, run)
  else await attempt(platform, call, handler, run)
}

/** How long a repeat waits between two looks at a run that another works on, in milliseconds. */
const pollMs = { first: 10, most: 200 }

/** An owner works no longer than the action's own time; who is silent for longer is dead. */
function leaseOf({ timeoutMs }: ProcedureDefinition): number { return timeoutMs + 5_000 }

async function own(platform: Platform, call: Call): Promise<{ run: Run; undoing?: boolean } | { answer: unknown }> {
  const { procedure, input, idempotencyKey } = call
  const id = idempotencyKey === undefined ? digestId(`${procedure.name}\n${call.key}`) : digestId(`${callerKey(call.caller)}\n${procedure.name}\n${idempotencyKey}`)
  // A client's key has one place, whatever the body says: another body under it must find the first.
  const { database, bucket } = idempotencyKey !== undefined && procedure.shard.kind === 'field' ? { database: platform.data.databaseOf(bucketOf(id)), bucket: bucketOf(id) } : homeOf(platform.data, procedure, input)
  const print = fingerprint(input)
  const fresh = () => insertRun(platform.data, database, {
    id, bucket, name: procedure.name, fingerprint: print, caller: call.caller, startedAt: call.now, traceparent: traceparentOf(call.trace), input, backstop: procedure.action?.backstop, leaseMs: leaseOf(procedure),
  })
  let seen: RunRow | undefined
  for (let looks = 0; ; looks++) {
    const made = seen ? undefined : await fresh()
    if (made) return { run: runOf(made, database) }
    seen = await findRun(platform.data, database, bucket, id)
    if (!seen) continue
    if (seen.fingerprint !== print) throw idempotencyKey === undefined ? stepChanged(procedure.name) : keyReused(idempotencyKey)
    const now = platform.clock.now()
    if (isAnswered(seen)) {
      await platform.data.wrote(database, call.positions)
      return { answer: seen.answer }
    }
    if (seen.state === 'undone') throw seen.refusal ? refusalOf(seen.refusal) : failed('run-undone', `This request was given up and undone: send it again with a new key.`)
    const busy = seen.state === 'running' && Date.parse(seen.lease_until ?? '') > now
    const taken = busy ? undefined : await takeRun(platform.data, database, seen, now, leaseOf(procedure))
    if (taken) {
      const run = runOf(taken, database)
      await loadRecords(platform.data, run)
      return { run, undoing: taken.give_up_at !== null && Date.parse(taken.give_up_at) <= now }
    }
    if (call.deadline.remainingMs() < 100) throw failed('in-progress', 'The same request is still being worked on: ask again shortly with the same key.', { retryAfterMs: 1_000 })
    // A crowd of repeats looks less and less often: a look is a statement.
    await platform.clock.sleep(Math.min(pollMs.most, pollMs.first * 2 ** looks))
  }
}

/** One that was undone since it was refused answers with the refusal, as it did at first. */
function isAnswered({ state, answer, refusal }: RunRow): boolean {
  return state === 'done' || (answer !== null && (state === 'unfinished' || (state === 'undone' && refusal === null)))
}

async function attempt(platform: Platform, call: Call, next: Way, run: Run): Promise<unknown> {
  const { backstop } = call.procedure.action ?? {}
  const now = () => platform.clock.now()
  try {
    const answer = call.procedure.strip(await next({ ...call, key: run.id, now: run.startedAt, run, path: '' }))
    platform.hostility?.mayCrash(`before ${call.procedure.name} ends`)
    if (run.left && backstop) {
      await flushRecords(platform.data, run, now())
      if (!await leaveRun(platform.data, run, answer, now() + pauseMs(run, backstop), null, now())) throw failed('run-lost', 'The run was taken over.')
    } else if (!await endRun(platform.data, run, 'done', answer, now())) throw failed('run-lost', 'The run was taken over.')
    return answer
  } catch (error) {
    if (error instanceof Crash || isTenfoldError(error, 'run-lost')) throw error
    await settleFailure(platform, call, run, error)
    throw error
  }
}

/** A backstop's pauses grow from `after` to ten times that. */
function pauseMs(run: Run, backstop: Backstop): number {
  return backstop.afterMs * Math.min(10, 2 ** (run.tries - 1))
}

/** A refusal that left nothing behind is forgotten; one that did is undone at once; a fault is the backstop's to mend. */
async function settleFailure(platform: Platform, call: Call, run: Run, error: unknown): Promise<void> {
  const { backstop } = call.procedure.action ?? {}
  while (run.working.size > 0) await Promise.allSettled(run.working)
  const refused = isTenfoldError(error) && error.status < 500 && !error.retryable
  if (refused && !run.touched && !await leftSomething(platform.data, run)) return dropRun(platform.data, run)
  if (refused && backstop) return undo(platform, call, run, keptRefusal(error))
  const now = platform.clock.now()
  await flushRecords(platform.data, run, now)
  await leaveRun(platform.data, run, undefined, backstop ? now + pauseMs(run, backstop) : undefined, reasonOf(error), now)
}

/** Runs the action's `undo` as the run's newest owner: its commands raise the fences, so that a late original is refused. */
async function undo(platform: Platform, call: Call, run: Run, refusal?: KeptRefusal): Promise<void> {
  const { backstop } = call.procedure.action ?? {}
  if (!backstop) return
  // Written down first, as a new owner: whoever goes on after a death undoes too, and what the old owner still sends is refused.
  const begun = await beginUndo(platform.data, run, platform.clock.now(), undoTimeoutMs, refusal)
  if (!begun) throw failed('run-lost', 'The run was taken over.')
  const first = runOf(begun, run.database)
  await loadRecords(platform.data, first)
  for (let owner = first; ;) {
    try {
      const inner: Call = { ...call, key: run.id, now: run.startedAt, run: owner, path: 'undo', deadline: deadlineIn(platform.clock, undoTimeoutMs) }
      const answer = await backstop.undo(actionContext(platform, inner), call.input)
      platform.hostility?.mayCrash(`before ${call.procedure.name} is undone`)
      await endRun(platform.data, owner, 'undone', answer === undefined ? null : call.procedure.strip(answer), platform.clock.now())
      return
    } catch (error) {
      if (!(error instanceof Crash)) throw error
      const seen = await findRun(platform.data, run.database, run.bucket, run.id)
      const taken = seen && await takeRun(platform.data, run.database, seen, platform.clock.now(), undoTimeoutMs)
      if (!taken) return
      owner = runOf(taken, run.database)
      await loadRecords(platform.data, owner)
    }
  }
}

function keptRefusal({ code, status, title, message, data }: TenfoldError): KeptRefusal {
  return { code, status, title, message, ...(data === undefined ? {} : { data }) }
}

function refusalOf({ code, status, title, message, data }: KeptRefusal): TenfoldError {
  return new TenfoldError(code, { status, retryable: false, title }, message, { data })
}

function keyReused(key: string): Error {
  return failed('key-reused', `The idempotency key ${JSON.stringify(key.slice(0, 40))} was used with another request: use a new key for a new request.`)
}
