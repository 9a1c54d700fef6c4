import { Format } from 'typebox/format'
import type { Fault } from '../base/index.ts'
import type { JsonSchema } from './schema.ts'

/** Faults beyond these say nothing more to a person and cost a hostile body's work. */
export const faultsMax = 100

/** Of a field that the schema does not name. */
export const unknownField = 'is not a field of this request'

/** What our schemas say beside their shape. */
interface Rules extends JsonSchema {
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly minLength?: number
  readonly maxLength?: number
  readonly format?: string
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
}

/** Whether Postgres can keep it: neither `text` nor `jsonb` takes U+0000 or half of a surrogate pair. */
export function isText(value: string): boolean {
  return !value.includes('\u0000') && value.isWellFormed()
}

/**
 * What is wrong with a value that its schema refuses, in words for a person: every fault, the first hundred at most, each as a JSON
 * pointer (RFC 6901) and what is wanted there. It stops looking once it has them, so a megabyte of faults costs no more than a page.
 */
export function faultsOf(schema: JsonSchema, value: unknown): Fault[] {
  const faults: Fault[] = []
  look(schema, value, '', faults)
  return faults.slice(0, faultsMax)
}

function look(schema: Rules, value: unknown, path: string, faults: Fault[]): void {
  if (faults.length >= faultsMax) return
  const add = (message: string) => { faults.push({ path, message }) }
  if (schema.anyOf) return lookAtVariants(schema.anyOf, value, path, faults)
  if (schema.enum && !schema.enum.includes(value)) return add(`must be one of ${schema.enum.map((one) => JSON.stringify(one)).join(', ')}`)
  if (schema.const !== undefined && schema.const !== value) return add(`must be ${JSON.stringify(schema.const)}`)
  if (!isOfType(schema.type, value)) return add(`must be ${wanted(schema)}`)
  if (typeof value === 'string') textFaults(schema, value, add)
  else if (typeof value === 'number') numberFaults(schema, value, add)
  else if (Array.isArray(value)) lookIntoList(schema, value, path, faults)
  else if (value !== null && typeof value === 'object') lookIntoObject(schema, value as Readonly<Record<string, unknown>>, path, faults)
}

function isOfType(type: string | undefined, value: unknown): boolean {
  switch (type) {
    case 'object': return value !== null && typeof value === 'object' && !Array.isArray(value)
    case 'array': return Array.isArray(value)
    case 'null': return value === null
    case 'integer': return Number.isInteger(value)
    case 'number': return Number.isFinite(value)
    case undefined: return true
    default: return typeof value === type
  }
}

const words: Readonly<Record<string, string>> = { object: 'an object', array: 'a list', null: 'null', integer: 'a whole number', number: 'a number', string: 'a string', boolean: 'true or false' }
const formats: Readonly<Record<string, string>> = { uuid: 'a UUID in small letters', email: 'an e-mail address', 'date-time': 'a date and time as in RFC 3339', uri: 'a URI' }

function wanted(schema: Rules): string {
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' or ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  return (schema.format && formats[schema.format]) ?? words[schema.type ?? ''] ?? 'something else'
}

function textFaults(schema: Rules, value: string, add: (message: string) => void): void {
  // In code points, as JSON Schema counts; counted only where it can matter, since a hostile text is long.
  const atMost = (count: number) => value.length <= count || (value.length <= 2 * count && [...value].length <= count)
  if (schema.minLength !== undefined && atMost(schema.minLength - 1)) add(`must have at least ${plural(schema.minLength, 'character')}`)
  if (schema.maxLength !== undefined && !atMost(schema.maxLength)) add(`must have at most ${plural(schema.maxLength, 'character')}`)
  else if (!isText(value)) add('must not hold U+0000 or half of a surrogate pair')
  else if (schema.format && !Format.Test(schema.format, value)) add(`must be ${formats[schema.format] ?? `of the format ${schema.format}`}`)
  else if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) add(`must match ${schema.pattern}`)
}

function numberFaults(schema: Rules, value: number, add: (message: string) => void): void {
  if (schema.minimum !== undefined && value < schema.minimum) add(`must be at least ${schema.minimum}`)
  if (schema.maximum !== undefined && value > schema.maximum) add(`must be at most ${schema.maximum}`)
}

function lookIntoList(schema: Rules, list: readonly unknown[], path: string, faults: Fault[]): void {
  if (schema.minItems !== undefined && list.length < schema.minItems) faults.push({ path, message: `must have at least ${plural(schema.minItems, 'item')}` })
  // What is in a list that is too long is of no interest any more.
  if (schema.maxItems !== undefined && list.length > schema.maxItems) return void faults.push({ path, message: `must have at most ${plural(schema.maxItems, 'item')}` })
  for (let index = 0; schema.items && index < list.length && faults.length < faultsMax; index++) look(schema.items, list[index], `${path}/${index}`, faults)
  if (schema.uniqueItems && new Set(list.map((item) => JSON.stringify(item))).size < list.length) faults.push({ path, message: 'must not hold the same item twice' })
}

function lookIntoObject(schema: Rules, value: Readonly<Record<string, unknown>>, path: string, faults: Fault[]): void {
  const fields = schema.properties ?? {}
  const required = new Set(schema.required)
  for (const [name, field] of Object.entries(fields)) {
    if (Object.hasOwn(value, name) && value[name] !== undefined) look(field, value[name], `${path}/${escapePointer(name)}`, faults)
    else if (required.has(name)) faults.push({ path: `${path}/${escapePointer(name)}`, message: 'is required' })
  }
  const { additionalProperties: others = true } = schema
  if (others === true) return
  for (const name in value) {
    if (faults.length >= faultsMax) return
    if (Object.hasOwn(fields, name)) continue
    if (others === false) faults.push({ path: `${path}/${escapePointer(name)}`, message: unknownField })
    else look(others, value[name], `${path}/${escapePointer(name)}`, faults)
  }
}

/** The faults of the variant that is nearest: one of the value's own type; where there is none, what the variants want. */
function lookAtVariants(variants: readonly Rules[], value: unknown, path: string, faults: Fault[]): void {
  const tried = variants.filter((variant) => isOfType(variant.type, value)).map((variant) => {
    const found: Fault[] = []
    look(variant, value, path, found)
    return found
  })
  const nearest = tried.toSorted((a, b) => a.length - b.length)[0]
  faults.push(...nearest ?? [{ path, message: `must be ${variants.map(wanted).join(' or ')}` }])
}

function plural(count: number, word: string): string { return `${count} ${word}${count === 1 ? '' : 's'}` }

function escapePointer(name: string): string { return name.replaceAll('~', '~0').replaceAll('/', '~1') }
