import { Format } from 'typebox/format'
import Compiler from 'typebox/schema'
import { failed, type Fault } from '../base/index.ts'
import { type JsonSchema, kindOf } from './schema.ts'

Format.Set('uuid', (text: string) => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text))
Format.Set('email', (text: string) => /^[^\s@"(),:;<>[\\\]]+@[^\s@.]+(?:\.[^\s@.]+)+$/.test(text))

/** Faults beyond these say nothing more to a person and cost a hostile body's work. */
const faultsMax = 100

/**
 * A compiled check of a schema: answers nothing, or throws `invalid` (422) with every fault, each as a JSON pointer (RFC 6901)
 * and what is wanted there.
 */
export function validator(schema: JsonSchema, what: string): (value: unknown) => void {
  let compiled: ReturnType<typeof Compiler.Compile> | undefined
  return (value) => {
    compiled ??= Compiler.Compile(schema as object)
    if (compiled.Check(value)) return
    const faults = readable(compiled.Errors(value)[1] as RawFault[])
    throw failed('invalid', `${what} has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}: ${faults.slice(0, 3).map((fault) => `${fault.path || '/'} ${fault.message}`).join('; ')}.`, { faults })
  }
}

interface RawFault { keyword: string; instancePath: string; message: string; params: { requiredProperties?: string[]; additionalProperties?: string[]; allowedValues?: unknown[] } }

/** The compiler's faults in words for a person: one for each field, a missing or an unknown one under its own pointer. */
function readable(raw: readonly RawFault[]): Fault[] {
  const faults = new Map<string, string>()
  const add = (path: string, message: string) => { if (faults.size < faultsMax && !faults.has(path)) faults.set(path, message) }
  for (const fault of raw) {
    const { requiredProperties, additionalProperties, allowedValues } = fault.params
    if (requiredProperties) for (const name of requiredProperties) add(`${fault.instancePath}/${escapePointer(name)}`, 'is required')
    else if (additionalProperties) for (const name of additionalProperties.slice(0, faultsMax)) add(`${fault.instancePath}/${escapePointer(name)}`, 'is not a field of this request')
    else if (fault.keyword === 'enum') add(fault.instancePath, `must be one of ${(allowedValues ?? []).map((value) => JSON.stringify(value)).join(', ')}`)
    else if (fault.keyword !== 'boolean') add(fault.instancePath, fault.message)
  }
  return [...faults].map(([path, message]) => ({ path, message }))
}

function escapePointer(name: string): string { return name.replaceAll('~', '~0').replaceAll('/', '~1') }

/**
 * Copies only what the schema names: an answer never carries a column that its author did not mean to give out, be the caller a
 * browser or the module next door. Composed once for each schema.
 */
export function stripper(schema: JsonSchema): (value: unknown) => unknown {
  if (kindOf(schema) !== 'file' && schema.properties) {
    const fields = Object.entries(schema.properties).map(([name, field]) => [name, stripper(field)] as const)
    return (value) => {
      if (value === null || typeof value !== 'object') return value
      const kept: Record<string, unknown> = {}
      for (const [name, strip] of fields) {
        const field = (value as Record<string, unknown>)[name]
        if (field !== undefined) kept[name] = strip(field)
      }
      return kept
    }
  }
  if (schema.items) {
    const strip = stripper(schema.items)
    return (value) => Array.isArray(value) ? value.map(strip) : value
  }
  if (schema.anyOf) {
    const variants = schema.anyOf.map((variant) => ({ strip: stripper(variant), compiled: undefined as ReturnType<typeof Compiler.Compile> | undefined, loose: withExtras(variant) }))
    return (value) => {
      if (value === null || typeof value !== 'object') return value
      const fitting = variants.find((variant) => (variant.compiled ??= Compiler.Compile(variant.loose as object)).Check(value))
      return fitting ? fitting.strip(value) : value
    }
  }
  return (value) => value instanceof Date ? value.toISOString() : value
}

/** The variant as it is before stripping: fields beyond those it names are no reason to take it for another. */
function withExtras(schema: JsonSchema): object {
  const { additionalProperties: _, ...rest } = schema as JsonSchema & { additionalProperties?: boolean }
  return {
    ...rest,
    ...(schema.properties ? { properties: Object.fromEntries(Object.entries(schema.properties).map(([name, field]) => [name, withExtras(field)])) } : {}),
    ...(schema.items ? { items: withExtras(schema.items) } : {}),
  }
}
