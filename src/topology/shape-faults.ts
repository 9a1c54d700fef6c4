import { faultsOf, type JsonSchema, unknownField } from '../app/index.ts'
import type { Fault } from '../base/index.ts'
import { nearest } from '../base/spelling.ts'
import { shapes } from './shape.ts'

/** Whatever somebody wrote in the place of a topology: every setting that there is none of, that is missing, or that is of another kind. */
export function shapeFaults(topology: unknown): Fault[] {
  const faults = faultsOf(shapes.any, topology)
  if (faults.length > 0) return faults.map((fault) => told(fault, shapes.any, topology))
  const shape = valueAt(topology, ['stage']) === 'single' ? shapes.single : shapes.wider
  return faultsOf(shape, topology).map((fault) => told(fault, shape, topology))
}

const missing: Readonly<Record<string, string>> = {
  data: `write { engine: 'postgres', primary: 'env:DATABASE_URL', pool: { max: 10, waitMs: 2000 } }`,
  secret: 'every process needs the same, 32 bytes or more, as env:NAME',
  'data.primary': 'say where the database is, as env:NAME',
  'data.pool': 'write { max: 10, waitMs: 2000 }',
}

/** A schema's fault in the words of a topology. */
function told({ path: pointer, message }: Fault, shape: JsonSchema, topology: unknown): Fault {
  const keys = pointer.split('/').slice(1).map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  const path = keys.join('.') || 'topology'
  if (message === unknownField) return { path, message: unknown(keys, shape, topology) }
  if (message === 'is required') return { path, message: `is missing: ${missing[path] ?? `${keys.slice(0, -1).join('.') || 'a topology'} needs it`}` }
  return { path, message: message.startsWith('must be') ? `${message}, and is ${described(valueAt(topology, keys), message)}` : message }
}

/** It may have been meant for another: only one that is near is named. */
function unknown(keys: readonly string[], shape: JsonSchema, topology: unknown): string {
  const [name = '', above] = [keys.at(-1), keys.slice(0, -1)]
  const known = [...new Set(namesAt(shape, above))]
  const [meant] = nearest(name, known, Math.max(2, name.length / 3))
  const where = above.join('.') || `a topology of stage ${String(valueAt(topology, ['stage']))}`
  return `is no setting of ${where}: ${meant === undefined ? `it has ${known.join(', ')}` : `did you mean ${meant}?`}`
}

function namesAt(shape: JsonSchema, [key, ...below]: readonly string[]): string[] {
  if (shape.anyOf) return shape.anyOf.flatMap((one) => namesAt(one, key === undefined ? [] : [key, ...below]))
  if (key === undefined) return Object.keys(shape.properties ?? {})
  const inner = shape.properties?.[key] ?? shape.items ?? (typeof shape.additionalProperties === 'object' ? shape.additionalProperties : undefined)
  return inner ? namesAt(inner, below) : []
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce((at: unknown, key) => at !== null && typeof at === 'object' ? (at as Readonly<Record<string, unknown>>)[key] : undefined, value)
}

/** A string is repeated only where a number or one of several words is wanted: elsewhere it may hold a password. */
function described(value: unknown, wanted: string): string {
  if (typeof value === 'string') return /^must be (?:a (?:whole )?number|at |one of|")/.test(wanted) && value.length <= 40 ? `the string ${JSON.stringify(value)}` : 'a string'
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
