import { waitFor } from '../../src/base/process.ts'
import type { Entry } from './history.ts'

/** Where the processes of an application answer. */
export type Places = readonly string[]

interface Options { readonly number: number; readonly history: Entry[]; readonly pick: <T>(from: readonly T[]) => T; readonly ids: readonly string[]; readonly places: () => Places; readonly isOver: () => boolean }

const [answerMs, outcomeMs] = [6_000, 60_000]

/** One caller: now here, now there, with nothing but the token that the last answer gave. Answers how often it was refused. */
export async function session({ number, history, pick, ids, places, isOver }: Options): Promise<{ refused: number; answered: number }> {
  let [token, bumps, refused, answered]: [string | undefined, number, number, number] = [undefined, 0, 0, 0]
  const ask = async <T>(method: string, path: string, key?: string): Promise<T | undefined> => {
    const headers = { ...(token ? { 'tenfold-consistency': token } : {}), ...(key ? { 'idempotency-key': key } : {}) }
    const answer = await fetch(`${pick(places())}/v1/registers/${path}`, { method, headers, signal: AbortSignal.timeout(answerMs) }).catch(() => undefined)
    const body = await answer?.json().catch(() => undefined) as T | undefined
    if (!answer?.ok || body === undefined) {
      refused++
      return undefined
    }
    token = answer.headers.get('tenfold-consistency') ?? token
    answered++
    return body
  }
  while (!isOver()) {
    const id = pick(ids)
    if (pick([true, false, false])) {
      const key = `${number}-${bumps++}`
      // Until its outcome is known, also past the end: what was acknowledged to nobody cannot be judged.
      const done = await waitFor(() => ask<{ version: number }>('POST', id, key), { timeoutMs: outcomeMs, everyMs: 20 })
      if (!done) throw new Error(`The outcome of ${key} did not become known.`)
      history.push({ kind: 'bump', session: number, id, key, version: done.version })
    } else {
      const seen = await waitFor(() => ask<{ left: number; right: number }>('GET', id), { timeoutMs: answerMs, everyMs: 20 })
      if (seen) history.push({ kind: 'look', session: number, id, ...seen })
    }
  }
  return { refused, answered }
}
