import { hash } from 'node:crypto'

/** JSON with its keys in order, so that equal values have equal texts. `undefined` fields fall away, as in JSON. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (value instanceof Date) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const fields = Object.entries(value).filter(([, field]) => field !== undefined).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`
}

/** What two equal inputs have in common: 32 hexadecimal digits of SHA-256 over the canonical JSON. */
export function fingerprint(value: unknown): string {
  return hash('sha256', canonicalJson(value)).slice(0, 32)
}

/** As a network would hand it over: nothing but JSON survives. */
export function overTheWire<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value)) as T
}

/** Freezes a value and all that hangs on it: what is shared between callers must not change under them. */
export function deepFreeze<T>(value: T, seen = new Set<unknown>()): T {
  if (value === null || typeof value !== 'object' || seen.has(value) || ArrayBuffer.isView(value)) return value
  seen.add(value)
  // Also where it is frozen already: what hangs on it need not be.
  Object.freeze(value)
  for (const part of Object.values(value)) deepFreeze(part, seen)
  return value
}
