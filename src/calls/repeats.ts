import { fileURLToPath } from 'node:url'
import { relative } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Call } from './call.ts'

/**
 * The same statement again and again in one request: a list is read, and then something for each of its rows (N+1). It is looked for in
 * development only, and told once for each place in the application's code.
 */
export interface Repeats {
  /**
   * A statement begins, sent by that call or one that it made; what it answers is to be called when it has ended. `attempt`: a transaction
   * that is run again repeats nothing. `isBatched`: what is asked for while the same is on its way goes with it, and is not counted.
   */
  began(call: Pick<Call, 'procedure' | 'positions' | 'trace'>, text: string, options: { attempt?: number | undefined; isBatched?: boolean }): () => void
}

/** So often in one request is no accident. */
const times = 5
/** Places that were told, and are remembered, at most. */
const toldMax = 1_000
/** From where a statement is sent to the handler's own line lie this many steps at most. */
const stackMax = 60

interface Count { count: number; running: number }

/** Where the platform's own code is: no line of it is the application's. */
const own = new URL('..', import.meta.url).href

export function createRepeats(tell: (text: string) => void): Repeats {
  // A call and those that it makes share what they have seen, and a trace: of events and jobs only the latter is their request's.
  const requests = new WeakMap<object, { readonly id: string; readonly counts: Map<string, Count> }>()
  const told = new LRUCache<string, true>({ max: toldMax })
  return {
    began({ positions, trace, procedure: { name: procedure } }, text, { attempt = 0, isBatched = false }) {
      const id = `${trace.traceId} ${attempt}`
      let request = requests.get(positions)
      if (request?.id !== id) requests.set(positions, request = { id, counts: new Map() })
      const current = request.counts.get(text) ?? { count: 0, running: 0 }
      request.counts.set(text, current)
      const isCounted = !isBatched || current.running === 0
      if (isCounted) current.count++
      current.running++
      if (isCounted && current.count === times) {
        const [place, caller] = placesOf(stack())
        const where = `${place} ${text}`
        if (place !== undefined && !told.has(where)) {
          told.set(where, true)
          tell(`N+1: ${procedure} sends the same statement for the ${times}th time in one request, at ${place}${caller === undefined ? '' : `, called from ${caller}`}: ${oneLine(text)}. ${remedyFor(text)}`)
        }
      }
      return () => { current.running-- }
    },
  }
}

function remedyFor(text: string): string {
  return /^\s*insert\b/i.test(text) ? 'Send all rows in one insert (values takes a list), or from unnest(...).'
    : /^\s*(update|delete)\b/i.test(text) ? 'Change them all in one statement: where the key is any of a list, or from unnest(...) with a value for each.'
      : 'Ask once for all of them (where ... = any(ids), or in a list), or join.'
}

function stack(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = stackMax
  const { stack: text = '' } = new Error('where')
  Error.stackTraceLimit = stackTraceLimit
  return text
}

/** The application's own lines, as `orders/orders.ts:45`, innermost first. */
function placesOf(text: string): string[] {
  const places = [...text.matchAll(/^\s+at (?:.* \(|async )?((?:file:\/\/)?\/[^()\s]+):(\d+):\d+\)?$/gm)].flatMap(([, file = '', line]) => {
    const url = file.startsWith('file:') ? file : `file://${file}`
    return url.startsWith(own) || url.includes('/node_modules/') ? [] : [`${relative(process.cwd(), fileURLToPath(url))}:${line}`]
  })
  return [...new Set(places)]
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s*\/\*action='[^']*'\*\//g, '').replaceAll(/\s+/g, ' ').trim()
  return line.length > 160 ? `${line.slice(0, 157)}...` : line
}
