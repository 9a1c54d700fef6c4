import { type CommandContext, type FileRef, internals, type Internals } from '../app/index.ts'
import { backoffMs, failed, fingerprint, isTenfoldError, overTheWire } from '../base/index.ts'
import { awaitsReplication, isContention, isStalePlan, type Place, stalePlansMax, type Statement, type Transaction, writesOn } from '../data/index.ts'
import { emitStatement, state, type Stated } from '../events/index.ts'
import { ask, type Asked, enqueueStatement } from '../jobs/index.ts'
import { traceparentOf } from '../observe/index.ts'
import { raceDeadline } from '../resilience/index.ts'
import type { Call, Platform, Way } from './call.ts'
import { anywhere } from './contexts.ts'
import { claim, recordAnswer } from './records.ts'
import { onStatement } from './tracing.ts'

/** How often a transaction that lost against a neighbour is run again before the caller hears of it. */
const attemptsMax = 8
const graceMs = 250

/** What else commits with a command, such as the acknowledgement of the job that it is. Answers false when that is no longer ours. */
export interface Rider { readonly statement: (place: Place) => Statement }

/**
 * A command's transaction: the claim of its key, the handler, then all that it stated, its record and COMMIT in one burst. Run again,
 * a bounded number of times, when Postgres says that it could not be serialised. Errors: `contention`, `timeout`,
 * `outcome-unknown`, and whatever the handler throws: then nothing was done.
 */
export function transactional(platform: Platform, rider?: (call: Call) => Rider | undefined): Way {
  return async (call) => {
    const [place] = platform.data.places(call.procedure.shard, call.procedure.module, call.input)
    if (!place) throw failed('definition', `${call.procedure.name} has no place.`)
    for (let attempt = 0, stale = 0; ; attempt++) {
      const { moves } = place.database
      try {
        return await once(platform, call, place, rider?.(call), attempt + stale)
      } catch (error) {
        // No fault of this transaction's, and each takes a stale connection out of use.
        if (isStalePlan(error) && stale++ < stalePlansMax) { attempt--; continue }
        // Its COMMIT was not sent: where another primary is found in time, it is done there.
        if (isTenfoldError(error, 'database-unavailable') && await place.database.foundAgain(moves, call.deadline.remainingMs())) { attempt--; call.deadline.check(call.procedure.name); continue }
        if (!isContention(error)) throw error
        if (attempt + 1 >= attemptsMax) throw failed('contention', `${call.procedure.name} lost ${attemptsMax} times against concurrent changes of the same rows: try again; if this is usual, guard one update instead of reading first, and say isolation: 'read committed'.`, { cause: error, retryAfterMs: 1_000 })
        await platform.clock.sleep(backoffMs(platform.random, attempt, 4, 200))
        call.deadline.check(call.procedure.name)
      }
    }
  }
}

const repeated: Statement = { name: 'tenfold_repeated', text: `select ${awaitsReplication}` }

/** What a command states and asks for; written last in its transaction. */
interface Said { readonly events: Stated[]; readonly jobs: Asked[] }

async function once(platform: Platform, call: Call, place: Place, rider: Rider | undefined, attempt: number): Promise<unknown> {
  const { command } = call.procedure
  const transaction = await platform.data.write(place, { isolation: command?.isolation ?? 'repeatable read', timeoutMs: call.deadline.remainingMs(), onStatement: onStatement(platform, call, attempt) })
  const bucket = typeof place.bucket === 'number' ? place.bucket : 0
  const said: Said = { events: [], jobs: [] }
  try {
    const recorded = call.record && await claim(transaction, bucket, call.record, fingerprint(call.input), platform.clock.now())
    if (recorded) {
      // Whoever is told it is told what is safe: it waits for a standby as the first commit did, or should have.
      await transaction.commit([repeated])
      // A repeat takes the position at which it read the record, not that of the first commit (DESIGN.md, "Positions").
      await platform.data.wrote(place.database, call.positions)
      return recorded.answer
    }
    // A handler that hangs must not keep its connection: it is rolled back, and what it still sends is refused.
    const answer = call.procedure.strip(await raceDeadline(platform.clock, call.deadline, graceMs, call.procedure.run(commandContext(platform, call, place, transaction, said), call.input), () => failed('timeout', `${call.procedure.name} passed its time limit.`)))
    call.deadline.check(call.procedure.name)
    const last = [
      // First: what is not ours any more ends here, before it meets its own rows.
      ...(rider ? [rider.statement(place)] : []),
      ...(said.events.length > 0 ? [emitStatement(said.events, bucket, call.now, traceparentOf(call.trace))] : []),
      ...(said.jobs.length > 0 ? [enqueueStatement(said.jobs, { bucket, nowMs: call.now, key: call.key, caller: call.caller, traceparent: traceparentOf(call.trace) })] : []),
      ...(command?.files ? keepFiles(call.input, call.now) : []),
      ...(call.record ? [recordAnswer(bucket, call.record, answer)] : []),
    ]
    const tell = () => platform.committed(said.events.map(({ name, payload }) => ({ event: name, payload })), said.jobs.length > 0)
    // It may have committed: what may be wrong is dropped, what may wait is looked for.
    await transaction.commit(last).catch((error: unknown) => { if (isTenfoldError(error, 'outcome-unknown')) tell(); throw error })
    tell()
    await platform.data.wrote(place.database, call.positions)
    // What was recorded is JSON: the first answer and every repeat of it are the same.
    return call.record ? overTheWire(answer) : answer
  } catch (error) {
    await transaction.rollback()
    throw error
  }
}

function commandContext(platform: Platform, call: Call, place: Place, transaction: Transaction, said: Said, depth = 0): CommandContext<string, any> {
  const module = call.procedure.module.name
  let isInside = false
  const own: Pick<CommandContext<string, any>, 'db' | 'emit' | 'enqueue' | 'savepoint'> & { [internals]: Internals } = {
    [internals]: { key: platform.key, random: platform.random },
    db: writesOn((statement) => transaction.query(statement), call.procedure.name),
    // Not async functions for their own sake: a later stage may hand these to another process.
    emit: async (event, payload) => { said.events.push(state(event, payload, module)) },
    enqueue: async (job, input, options = {}) => { said.jobs.push(ask(job, input, options, module, place)) },
    async savepoint(part) {
      // Postgres keeps savepoints as a stack: to undo one is to undo all that was begun after it.
      if (isInside) throw failed('definition', `${call.procedure.name} opens a savepoint beside another: await one before the next, and inside one use the ctx that it was given.`)
      isInside = true
      const inner = commandContext(platform, call, place, transaction, said, depth + 1)
      try { return await savepoint(transaction, `tenfold_${depth}`, said, () => part(inner)) } finally { isInside = false }
    },
  }
  return anywhere(call, own, place)
}

/** Runs a part; what it wrote and said is taken back when it throws. */
async function savepoint<T>(transaction: Transaction, name: string, said: Said, part: () => Promise<T>): Promise<T> {
  const [events, jobs] = [said.events.length, said.jobs.length]
  await transaction.query({ text: `savepoint ${name}` })
  try {
    const answer = await part()
    await transaction.query({ text: `release savepoint ${name}` })
    return answer
  } catch (error) {
    await transaction.query({ text: `rollback to savepoint ${name}; release savepoint ${name}` })
    said.events.length = events
    said.jobs.length = jobs
    throw error
  }
}

/** Files that stand in a command's input are kept from its commit on. */
function keepFiles(input: unknown, now: number): Statement[] {
  const files: FileRef[] = []
  const collect = (value: unknown) => {
    if (value === null || typeof value !== 'object') return
    if (isFileRef(value)) files.push(value)
    else Object.values(value).forEach(collect)
  }
  collect(input)
  return [{
    name: 'tenfold_keep_files', text: 'insert into tenfold.files (sha256, bytes, referenced_at) select f.sha256, f.bytes, $3 from unnest($1::text[], $2::bigint[]) as f(sha256, bytes) on conflict do nothing',
    values: [files.map((file) => file.sha256), files.map((file) => file.bytes), new Date(now)],
  }]
}

function isFileRef(value: object): value is FileRef {
  return 'sha256' in value && 'bytes' in value && 'type' in value && typeof value.sha256 === 'string'
}
