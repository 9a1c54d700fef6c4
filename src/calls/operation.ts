import type { OperationContext } from '../app/index.ts'
import { Crash, failed, isTenfoldError } from '../base/index.ts'
import { traceparentOf } from '../observe/index.ts'
import type { Call, Platform, Way } from './call.ts'
import { lookupContext } from './steps.ts'

/** Kept from a dependency's time, so that its caller can still say what it does without an answer. */
const reserveMs = 100

/** A call to a service outside: guarded by its dependency's policies; when they give up, its fallback answers. */
export function outside(platform: Platform): Way {
  return async (call) => {
    const { operation, run, strip } = call.procedure
    const dependency = operation && platform.dependencies.get(operation.dependency.name)
    if (!dependency) throw failed('definition', `${call.procedure.name} belongs to no dependency.`)
    const within = call.deadline.within(Math.max(1, call.deadline.remainingMs() - reserveMs))
    const replaced = dependency.replaced.get(call.procedure.name)
    try {
      // A test's stand-in is asked as it is: a breaker would remember failures of a time that the test has moved past.
      if (replaced) return strip(await replaced(call.input, { key: call.key }))
      return strip(await dependency.guards.run(async (attempt, signal) => {
        const context: OperationContext = { key: call.key, signal, attempt, config: dependency.config, traceparent: traceparentOf(call.trace) }
        return run(context, call.input)
      }, within.signal))
    } catch (error) {
      if (error instanceof Crash || (isTenfoldError(error) && error.status < 500)) throw error
      return fallBack(platform, call, operation.fallback, error as Error)
    }
  }
}

async function fallBack(platform: Platform, call: Call, fallback: NonNullable<Call['procedure']['operation']>['fallback'], error: Error): Promise<unknown> {
  if ('none' in fallback) throw error
  call.log.warn('a dependency did not answer: its fallback does', { procedure: call.procedure.name, reason: error.message })
  // A fallback's answer is no fact: nothing that rests on it is recorded.
  if (call.run) call.run.provisional++
  return call.procedure.strip(await fallback(lookupContext(platform, { ...call, run: undefined }), call.input, error))
}
