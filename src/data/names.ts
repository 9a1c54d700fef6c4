import { LRUCache } from 'lru-cache'
import { fingerprint } from '../base/index.ts'

/** Each prepared statement costs the server memory on each connection, and none is ever taken back. */
const namesMax = 500
/** Texts that are remembered as seen once. */
const seenMax = 2_000

/**
 * Names for statements that come again: from the second time on, one is prepared under its name, once for each connection, and then
 * neither parsed nor planned again (Postgres manual, "PREPARE"). A text that is new each time, such as one with a list of values in it,
 * gets none; nor does any after the first 500.
 */
export function createNames(): (text: string) => string | undefined {
  const named = new Map<string, string>()
  const seen = new LRUCache<string, true>({ max: seenMax })
  return (text) => {
    const name = named.get(text)
    if (name !== undefined || named.size === namesMax) return name
    if (!seen.has(text)) { seen.set(text, true); return undefined }
    seen.delete(text)
    const given = nameOf(text)
    named.set(text, given)
    return given
  }
}

export function nameOf(text: string): string { return `tenfold_${fingerprint(text)}` }
