import { notFound, type ProcedureDefinition } from '../app/index.ts'
import type { Place, ReadOptions } from '../data/index.ts'
import type { Call, Platform, Way } from './call.ts'
import { queryContext } from './steps.ts'
import { databaseAttributes, onStatement, spanned } from './tracing.ts'

/** A query's reading: its one statement, or its handler in a read-only transaction; over every shard where it says `all`. */
export function reading(platform: Platform, procedure: ProcedureDefinition): Way {
  const { shard, module, strip, query } = procedure
  const one = query?.statement ? byStatement(platform, procedure) : byHandler(platform, procedure)
  // What is remembered for others must not be older than what was just dropped: a cached query's loads read the primary.
  const consistency = query?.cache ? 'primary' : query?.consistency ?? 'session'
  return async (call) => {
    const options: ReadOptions = { consistency, positions: call.positions, timeoutMs: call.deadline.remainingMs(), onStatement: onStatement(platform, call), by: procedure.name }
    const places = platform.data.places(shard, module, call.input)
    if (shard.kind !== 'all') return strip(await one(call, places[0] as Place, options))
    return strip(shard.merge(await Promise.all(places.map(async (place) => strip(await one(call, place, options))))))
  }
}

type Reader = (call: Call, place: Place, options: ReadOptions) => Promise<unknown>

function byHandler(platform: Platform, procedure: ProcedureDefinition): Reader {
  return (call, place, options) => platform.data.read(place, options, (db, aside) => procedure.run(queryContext(platform, call, db, aside), call.input))
}

function byStatement(platform: Platform, procedure: ProcedureDefinition): Reader {
  const single = procedure.output.type !== 'array'
  const what = procedure.query?.notFound
  const run = platform.data.statement(procedure, single)
  return async (call, place, options) => {
    const ended = platform.repeats?.began(call, `the statement of ${procedure.name}`, { isBatched: single })
    const rows = await spanned(platform, call.trace, 'SELECT', 'client', call.trace.span && databaseAttributes(procedure.name), () => run(place, options, call.input as Record<string, unknown>)).finally(() => ended?.())
    if (!single) return rows
    if (rows[0] === undefined && what !== undefined) throw notFound(what, String((call.input as { id?: unknown }).id ?? Object.values(call.input as object)[0]))
    return rows[0] ?? null
  }
}
