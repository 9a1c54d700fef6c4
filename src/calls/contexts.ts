import { bucketOf, deriveId } from '../base/index.ts'
import type { Place } from '../data/index.ts'
import type { Call } from './call.ts'

/** What every `ctx` has, and what this verb's has beside it. */
export function anywhere<T extends object>(call: Call, more: T, place?: Place): T & { caller: Call['caller']; now: Date; id(label: string): string; key: string; signal: AbortSignal; log: Call['log'] } {
  const bucket = typeof place?.bucket === 'number' ? place.bucket : bucketOfInput(call)
  const context = {
    caller: call.caller, now: new Date(call.now), key: call.key, log: call.log,
    id: (label: string) => deriveId(call.key, label, call.now, bucket),
    get signal() { return call.deadline.signal },
  }
  // Object.assign would read the getter; the descriptors keep it asleep until a handler wants a signal.
  return Object.defineProperties(context, Object.getOwnPropertyDescriptors(more)) as typeof context & T
}

/** An action whose input names a bucket makes ids of that bucket. */
function bucketOfInput(call: Call): number | undefined {
  const { shard } = call.procedure
  if (shard.kind !== 'field') return undefined
  const key = (call.input as Record<string, unknown>)[shard.field]
  return typeof key === 'string' || typeof key === 'number' ? bucketOf(key) : undefined
}
