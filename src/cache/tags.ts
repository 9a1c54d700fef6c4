import { canonicalJson } from '../base/index.ts'

/** Which keys belong to an input with certain fields: so that an event that knows some fields finds all entries it makes wrong. */
export interface Tags {
  add(key: string, input: Readonly<Record<string, unknown>>): void
  /** Keys whose input has all of these fields' values; `{}` is every key. What is answered is forgotten. */
  matching(fields: Readonly<Record<string, unknown>>): string[]
}

/** Entries that the driver let go by itself leave their tag behind: past this many the oldest tag goes too, and its entry with it (`overflow`). */
const keysMax = 100_000

export function createTags(overflow: (key: string) => void): Tags {
  const inputs = new Map<string, Readonly<Record<string, unknown>>>()
  // One index for each set of fields that an event has ever named, made when it is first named.
  const indexes = new Map<string, { names: string[]; keys: Map<string, Set<string>> }>()
  const valueOf = (names: readonly string[], input: Readonly<Record<string, unknown>>) => canonicalJson(names.map((name) => input[name]))

  const put = (index: { names: string[]; keys: Map<string, Set<string>> }, key: string, input: Readonly<Record<string, unknown>>) => {
    const value = valueOf(index.names, input)
    const set = index.keys.get(value)
    if (set) set.add(key)
    else index.keys.set(value, new Set([key]))
  }
  const forget = (key: string) => {
    const input = inputs.get(key)
    if (!input) return
    inputs.delete(key)
    for (const index of indexes.values()) {
      const value = valueOf(index.names, input)
      const set = index.keys.get(value)
      set?.delete(key)
      if (set?.size === 0) index.keys.delete(value)
    }
  }
  return {
    add(key, input) {
      if (inputs.delete(key)) { inputs.set(key, input); return }
      inputs.set(key, input)
      for (const index of indexes.values()) put(index, key, input)
      if (inputs.size > keysMax) {
        const oldest = inputs.keys().next().value as string
        forget(oldest)
        overflow(oldest)
      }
    },
    matching(fields) {
      const names = Object.keys(fields).toSorted()
      const name = names.join()
      let index = indexes.get(name)
      if (!index) {
        indexes.set(name, index = { names, keys: new Map() })
        for (const [key, input] of inputs) put(index, key, input)
      }
      const found = [...index.keys.get(valueOf(names, fields)) ?? []]
      for (const key of found) forget(key)
      return found
    },
  }
}
