import { createHash } from 'node:crypto'
import { noSuchRoute, problem, type Answer, type Asked } from './http.ts'
import { slowAnswerMs, startService, type Service } from './service.ts'

export const recommenderFaults = ['none', 'slow', 'error', 'down'] as const
export type RecommenderFault = (typeof recommenderFaults)[number]

const suggestionsPerProduct = 5

/**
 * A recommender: `PUT /ids` with a JSON array tells it which products there are (all of them, each time), `GET /alike/{id}`
 * answers {ids}: five others, always the same for one id and catalogue; none before it has learnt any.
 */
export async function startRecommender(options: { port?: number; slowMs?: number }): Promise<Service<RecommenderFault>> {
  let known: readonly string[] = []

  function answer(asked: Asked): Answer {
    if (asked.method === 'PUT' && asked.path === '/ids') {
      if (!Array.isArray(asked.body) || asked.body.some((id) => typeof id !== 'string')) return problem(422, 'The request is not valid', 'Send a JSON array of product ids.')
      known = [...new Set(asked.body as string[])].toSorted()
      return { status: 200, body: { known: known.length } }
    }
    const id = /^\/alike\/(.+)$/s.exec(asked.path)?.[1]
    return asked.method === 'GET' && id !== undefined ? { status: 200, body: { ids: alike(known, id) } } : noSuchRoute(asked)
  }

  function handle(asked: Asked, fault: RecommenderFault): Answer {
    const usual = answer(asked)
    if (fault === 'error') return problem(500, 'The recommender failed', 'It has nothing to say.')
    return fault === 'slow' ? { ...usual, afterMs: options.slowMs ?? slowAnswerMs } : usual
  }

  return await startService(recommenderFaults, handle, options.port)
}

/** One from each fifth of the sorted others, which makes them distinct without trying again. */
export function alike(sortedIds: readonly string[], id: string): string[] {
  const own = sortedIds.indexOf(id)
  const others = own === -1 ? sortedIds.length : sortedIds.length - 1
  const count = Math.min(suggestionsPerProduct, others)
  const hash = createHash('sha256').update(id).digest()
  return Array.from({ length: count }, (_, part) => {
    const from = Math.floor((part * others) / count)
    const to = Math.floor(((part + 1) * others) / count)
    const place = from + (hash.readUInt32BE(part * 4) % (to - from))
    return sortedIds[own === -1 || place < own ? place : place + 1] as string
  })
}
