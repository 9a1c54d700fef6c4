/**
 * A ratchet lets a file keep the faults that it has today and no more, so that a rule can come before the last file obeys it.
 * It only ever turns one way: once a file is better than its allowance, the allowance must fall too.
 */
import type { Fault } from './source.ts'

/** For a file, for a rule: how many faults, or for a rule on sizes how many lines. */
export type Allowances = Readonly<Record<string, Readonly<Record<string, number>>>>

export function applyRatchets(rule: string, faults: readonly Fault[], allowances: Allowances): Fault[] {
  const allowed = Object.entries(allowances).flatMap(([path, rules]) => rules[rule] === undefined ? [] : [{ path, number: rules[rule] }])
  return allowed.reduce<Fault[]>((remaining, { path, number }) => {
    const ofFile = remaining.filter((fault) => fault.path === path)
    const now = ofFile.reduce((most, { measure }, index) => Math.max(most, measure ?? index + 1), 0)
    if (now > number) return remaining
    const others = remaining.filter((fault) => fault.path !== path)
    const lower = now === 0 ? 'it has none any more, so take the allowance out of' : `lower the ratchet to ${now} in`
    return now === number ? others : [...others, { path, line: 1, message: `is better than its allowance of ${number} for ${rule}: ${lower} tools/tidy.ts` }]
  }, [...faults])
}
