import { type ActionContext, definitionOf, type Kind, type Procedure, type ProcessContext, type LookupContext, type QueryContext, type Reads } from '../app/index.ts'
import { Crash, digestId, failed, fingerprint, isTenfoldError, overTheWire } from '../base/index.ts'
import type { Call, Platform, Way } from './call.ts'
import { anywhere } from './contexts.ts'
import { stepChanged } from './records.ts'
import { flushRecords, type Run } from './run.ts'
import { spanned } from './tracing.ts'

/** What an action's handler gets. */
export function actionContext(platform: Platform, call: Call): ProcessContext {
  const steps = stepCaller(platform, call)
  return anywhere(call, {
    call: steps as ActionContext['call'], files: platform.files,
    unfinished<Out>(answer: Out): Out {
      if (call.run) { call.run.left = true; call.run.provisional++ }
      return answer
    },
  })
}

export function lookupContext(platform: Platform, call: Call): LookupContext {
  return anywhere(call, { call: stepCaller(platform, call) as LookupContext['call'] })
}

export function queryContext(platform: Platform, call: Call, db: Reads<any>, aside: <A>(work: () => Promise<A>) => Promise<A>): QueryContext<any> {
  return anywhere(call, {
    db,
    call: ((callee, input) => aside(() => wayTo(platform, call, callee)(inner(platform, call, callee, input, call.key)))) as QueryContext<any>['call'],
  })
}

type StepCall = (callee: Procedure<Kind, unknown, unknown>, input: unknown, options?: { step?: string }) => Promise<unknown>

/** `ctx.call` of an action: each call a named step; inside a run, one whose answer is recorded and read again. */
function stepCaller(platform: Platform, call: Call): StepCall {
  const named = new Set<string>()
  return async (callee, input, options = {}) => {
    const name = `${call.path ? `${call.path}/` : ''}${options.step ?? callee.name}`
    if (named.has(name)) throw failed('step-named-twice', `${call.procedure.name} has two steps named ${name}: give each call of ${callee.name} a name of its own, { step: '...' }.`)
    named.add(name)
    call.deadline.check(call.procedure.name)
    if (!call.run) return wayTo(platform, call, callee)(inner(platform, call, callee, input, digestId(`${call.key}\n${name}`)))
    return recordedStep(platform, call, call.run, callee, input, name)
  }
}

/** Counted as under way until all that it leaves behind is known: a refusal beside it waits for that. */
async function recordedStep(platform: Platform, call: Call, run: Run, callee: Procedure<Kind, unknown, unknown>, input: unknown, name: string): Promise<unknown> {
  const work = takeStep(platform, call, run, callee, input, name)
  run.working.add(work)
  try {
    return await work
  } finally {
    run.working.delete(work)
  }
}

async function takeStep(platform: Platform, call: Call, run: Run, callee: Procedure<Kind, unknown, unknown>, input: unknown, name: string): Promise<unknown> {
  const print = fingerprint(input)
  const recorded = run.recorded.get(name)
  if (recorded) {
    if (recorded.fingerprint !== print) throw stepChanged(name)
    return recorded.answer
  }
  const isCommand = callee.kind === 'command'
  if (isCommand) await flushRecords(platform.data, run, platform.clock.now())
  if (callee.kind === 'operation') run.touched = true
  const step: Call = {
    ...inner(platform, call, callee, input, digestId(`${run.id}\n${name}`)),
    ...(isCommand ? { record: { run: run.id, step: name, epoch: run.epoch, keepMs: run.keepMs } } : {}),
    ...(callee.kind === 'action' || callee.kind === 'lookup' ? { run, path: name } : {}),
  }
  const provisional = run.provisional
  const way = wayTo(platform, call, callee)
  const answer = await inHostility(platform, callee, name, way, step).catch((error: unknown) => {
    // Only a refusal is sure to have left nothing: a command that ended otherwise may have committed.
    if (isCommand && !(isTenfoldError(error) && error.status < 500 && !error.retryable)) run.touched = true
    throw error
  })
  if (isCommand) run.touched = true
  if (run.provisional === provisional) {
    run.recorded.set(name, { fingerprint: print, answer })
    if (!isCommand) run.pending.push({ step: name, fingerprint: print, answer })
  }
  return answer
}

/** On the hostile stage a step may find its process dead before it and behind it, and runs twice with one key. */
async function inHostility(platform: Platform, callee: Procedure<Kind, unknown, unknown>, name: string, way: Way, step: Call): Promise<unknown> {
  const { hostility } = platform
  if (!hostility) return way(step)
  hostility.mayCrash(`before the step ${name}`)
  const answer = await way(step)
  if (callee.kind !== 'action') {
    hostility.note(`step twice ${callee.kind}`)
    const again = await way(step).catch((error: unknown) => { if (error instanceof Crash || callee.kind !== 'operation') throw error; return answer })
    if (callee.kind === 'command' && fingerprint(again) !== fingerprint(answer)) throw failed('internal', `The step ${name} answered differently the second time.`)
  }
  hostility.mayCrash(`after the step ${name}`)
  return answer
}

/** Its way; on the hostile stage an answer from another module has been over a network. */
function wayTo(platform: Platform, call: Call, callee: Procedure<Kind, unknown, unknown>): Way {
  const procedure = definitionOf(callee)
  const way = platform.way(procedure)
  const crossing: Way = crosses(platform, call, callee) ? async (inside) => overTheWire(await way(inside)) : way
  if (!call.trace.span) return crossing
  return (inside) => spanned(platform, call.trace, procedure.name, callee.kind === 'operation' ? 'client' : 'internal', { 'rpc.method': procedure.name }, (trace) => crossing({ ...inside, trace }))
}

function crosses(platform: Platform, call: Call, callee: Procedure<Kind, unknown, unknown>): boolean {
  return platform.hostility !== undefined && definitionOf(callee).module !== call.procedure.module
}

/** A call made by another: it sees what that one has seen, and has no more time. */
function inner(platform: Platform, call: Call, callee: Procedure<Kind, unknown, unknown>, input: unknown, key: string): Call {
  const procedure = definitionOf(callee)
  return {
    procedure, input: crosses(platform, call, callee) ? overTheWire(input) : input, caller: call.caller, positions: call.positions, deadline: call.deadline.within(procedure.timeoutMs), trace: call.trace, log: call.log,
    key, now: callee.kind === 'action' ? call.now : platform.clock.now(), ...(callee.kind === 'operation' ? { run: call.run } : {}),
  }
}
