/**
 * What sessions did to counted registers, and what of it breaks a promise. Each bump has a key and is repeated until its outcome is
 * known, so in the end every one was acknowledged, and how far a register was counted is how many there were.
 */
export interface Bump { readonly kind: 'bump'; readonly session: number; readonly id: string; readonly key: string; readonly version: number }
/** Answered before the session did anything else. */
export interface Look { readonly kind: 'look'; readonly session: number; readonly id: string; readonly left: number; readonly right: number }
export type Entry = Bump | Look

/** In the order of their answers; each session does one thing at a time. `final`: what the primary says when all is quiet. */
export function brokenPromises(history: readonly Entry[], final: Readonly<Record<string, { readonly left: number; readonly right: number }>>): string[] {
  return [...halves(history), ...backwards(history), ...twice(history), ...lost(history, final)]
}

/** 1, all or nothing. */
function halves(history: readonly Entry[]): string[] {
  return history.flatMap((entry) => entry.kind === 'look' && entry.left !== entry.right ? [`half a write: session ${entry.session} saw ${entry.id} at ${entry.left} and ${entry.right}`] : [])
}

/** 2, own writes, and never back in time. */
function backwards(history: readonly Entry[]): string[] {
  const known = new Map<string, { version: number; by: Entry['kind'] }>()
  return history.flatMap((entry) => {
    const place = `${entry.session} ${entry.id}`
    const [before, version] = [known.get(place), entry.kind === 'bump' ? entry.version : entry.left]
    if (!before || version >= before.version) known.set(place, { version, by: entry.kind })
    if (entry.kind === 'bump' || !before || version >= before.version) return []
    return [`${before.by === 'bump' ? 'a stale own write' : 'time running backwards'}: session ${entry.session} saw ${entry.id} at ${version} after ${before.version}`]
  })
}

/** 4, once: no two bumps counted to the same, and no key twice. */
function twice(history: readonly Entry[]): string[] {
  const [counted, keys] = [new Map<string, string>(), new Map<string, number>()]
  return history.flatMap((entry) => {
    if (entry.kind === 'look') return []
    const place = `${entry.id} ${entry.version}`
    const [other, before] = [counted.get(place), keys.get(entry.key)]
    counted.set(place, entry.key)
    keys.set(entry.key, entry.version)
    return [
      ...(other !== undefined && other !== entry.key ? [`a lost write: ${other} and ${entry.key} both counted ${entry.id} to ${entry.version}`] : []),
      ...(before !== undefined && before !== entry.version ? [`twice: ${entry.key} counted ${entry.id} to ${before} and to ${entry.version}`] : []),
    ]
  })
}

/** 9, disposable: what was acknowledged is there in the end, and nothing else. */
function lost(history: readonly Entry[], final: Parameters<typeof brokenPromises>[1]): string[] {
  return [...new Set(history.map(({ id }) => id))].flatMap((id) => {
    const wanted = new Set(history.flatMap((entry) => entry.kind === 'bump' && entry.id === id ? [entry.key] : [])).size
    const { left = 0, right = 0 } = final[id] ?? {}
    return left === wanted && right === wanted ? [] : [`${left < wanted ? 'lost' : 'too many'}: ${id} was counted ${wanted} times, and stands at ${left} and ${right}`]
  })
}
