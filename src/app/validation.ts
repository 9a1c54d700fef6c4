import { Format } from 'typebox/format'
import { Compile } from 'typebox/schema'
import { failed, type Fault } from '../base/index.ts'
import { faultsMax, faultsOf, isText } from './faults.ts'
import type { JsonSchema } from './schema.ts'

// Small letters only, as every id is written here and in Postgres: one thing has one name, in caches, buckets and fingerprints too.
Format.Set('uuid', (text: string) => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text))
Format.Set('email', (text: string) => /^[^\s@"(),:;<>[\\\]]+@[^\s@.]+(?:\.[^\s@.]+)+$/.test(text))

/** Our own face of TypeBox's compiler: to read its answer's type off `Compile`, TypeScript works out `Static` of every schema there is (1.2 million instantiations). */
interface Checker { Check(value: unknown): boolean }
const compile: (schema: object) => Checker = Compile as never

/**
 * A compiled check of a schema: answers nothing, or throws `invalid` (422) with every fault, each as a JSON pointer (RFC 6901)
 * and what is wanted there.
 */
export function validator(schema: JsonSchema, what: string): (value: unknown) => void {
  let compiled: Checker | undefined
  return (value) => {
    compiled ??= compile(withTexts(schema))
    if (compiled.Check(value)) return
    const found = faultsOf(schema, value)
    const faults = found.length > 0 ? found : [{ path: '', message: 'is not what the schema wants' }]
    throw failed('invalid', `${what} has ${faultsInWords(faults)}.`, { faults })
  }
}

/** `2 faults: /a is required; /b must be a string`: all are in the error's list, the first three in its sentence. */
export function faultsInWords(faults: readonly Fault[]): string {
  const count = faults.length === 1 ? 'a fault' : `${faults.length >= faultsMax ? 'at least ' : ''}${faults.length} faults`
  const more = faults.length > 3 ? `; and ${faults.length - 3} more` : ''
  return `${count}: ${faults.slice(0, 3).map(({ path, message }) => `${path || '/'} ${message}`).join('; ')}${more}`
}

/** The schema, with each of its strings held to what can be kept. Not said in the schema itself: OpenAPI has no word for it. */
function withTexts(schema: JsonSchema): object {
  return {
    ...schema, ...(schema.type === 'string' ? { '~refine': [{ check: isText, error: () => 'must be text' }] } : {}),
    ...(schema.properties ? { properties: Object.fromEntries(Object.entries(schema.properties).map(([name, field]) => [name, withTexts(field)])) } : {}),
    ...(schema.items ? { items: withTexts(schema.items) } : {}),
    ...(schema.anyOf ? { anyOf: schema.anyOf.map(withTexts) } : {}),
  }
}

/**
 * Copies only what the schema names: an answer never carries a column that its author did not mean to give out, be the caller a
 * browser or the module next door. What has fields where the schema names none is null. Composed once for each schema.
 */
export function stripper(schema: JsonSchema): (value: unknown) => unknown {
  if (schema.properties) {
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
    return (value) => Array.isArray(value) ? value.map(strip) : bare(value)
  }
  if (schema.anyOf) {
    const variants = schema.anyOf.map((variant) => ({ ...variant, strip: stripper(variant), compiled: undefined as Checker | undefined, loose: withExtras(variant) }))
    return (value) => {
      if (value === null || typeof value !== 'object' || value instanceof Date) return bare(value)
      const possible = variants.filter((variant) => variant.anyOf ?? (Array.isArray(value) ? variant.items : variant.properties))
      // Where none fits, one that does not fit gives out less than it might; none at all would give out everything.
      const chosen = possible.length === 1 ? possible[0] : possible.find((variant) => (variant.compiled ??= compile(variant.loose)).Check(value)) ?? possible[0]
      return chosen ? chosen.strip(value) : null
    }
  }
  return bare
}

/** A value without fields, as JSON says it. */
function bare(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? null : value
}

/** The variant as it is before stripping: fields beyond those it names are no reason to take it for another. */
function withExtras(schema: JsonSchema): object {
  const { additionalProperties: _, ...rest } = schema
  return {
    ...rest,
    ...(schema.properties ? { properties: Object.fromEntries(Object.entries(schema.properties).map(([name, field]) => [name, withExtras(field)])) } : {}),
    ...(schema.items ? { items: withExtras(schema.items) } : {}),
    ...(schema.anyOf ? { anyOf: schema.anyOf.map(withExtras) } : {}),
  }
}
