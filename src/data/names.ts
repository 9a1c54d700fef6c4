import { LRUCache } from 'lru-cache'
import { fingerprint } from '../base/index.ts'

/** Each prepared statement costs the server memory on each connection, and none is ever taken back. */
const namesMax = 500
/** Texts that are remembered as seen once. */
const seenMax = 2_000

/** A text as it is sent, and the name that it is prepared under; none the first time. */
export interface Named { readonly text: string; readonly name: string | undefined }

/**
 * Names for statements that come again: from the second time on, one is prepared under its name, once for each connection, and then
 * neither parsed nor planned again (Postgres manual, "PREPARE"). A text that is new each time, such as one with a list of values in it,
 * gets none; nor does any after the first 500. `by` is the procedure that sends it: what is sent says so, and is put together once for
 * each text and procedure, so that a text that is known costs the one look-up that it cost without.
 */
export function createNames(): (text: string, by?: string) => Named {
  const known = new Map<string, Map<string, Named>>()
  const seen = new LRUCache<string, true>({ max: seenMax })
  let count = 0
  return (text, by = '') => {
    let named = known.get(by)
    if (!named) known.set(by, named = new Map())
    const found = named.get(text)
    if (found) return found
    const sent = by === '' ? text : saidBy(text, by)
    if (count === namesMax) return { text: sent, name: undefined }
    if (!seen.has(sent)) { seen.set(sent, true); return { text: sent, name: undefined } }
    seen.delete(sent)
    count++
    const given: Named = { text: sent, name: nameOf(sent) }
    named.set(text, given)
    return given
  }
}

/** A statement that says who sends it, as sqlcommenter writes it, so that what counts or logs statements (pg_stat_statements, auto_explain) names the procedure. */
export function saidBy(text: string, procedure: string): string { return `${text} /*action='${procedure}'*/` }

export function nameOf(text: string): string { return `tenfold_${fingerprint(text)}` }
