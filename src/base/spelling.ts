/** What was probably meant: at most five, nearest first; `lettersMax` may differ. */
export function nearest(name: string, names: readonly string[], lettersMax = Math.max(3, name.length / 3)): string[] {
  const short = (one: string) => (one.split('.').at(-1) ?? one).toLowerCase()
  const distances = names.map((one) => ({ one, far: Math.min(distance(name.toLowerCase(), one.toLowerCase()), distance(short(name), short(one)) + 1) }))
  const near = distances.filter(({ far }) => far <= lettersMax).toSorted((one, other) => one.far - other.far)
  return near.slice(0, 5).map(({ one }) => one)
}

/** How many letters have to be changed, added or taken away (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let at = 1; at <= one.length; at++) {
    const next = [at]
    for (let to = 1; to <= other.length; to++) next.push(Math.min((row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1, (row[to - 1] ?? 0) + (one[at - 1] === other[to - 1] ? 0 : 1)))
    row = next
  }
  return row.at(-1) ?? 0
}
