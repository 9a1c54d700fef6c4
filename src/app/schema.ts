/**
 * A thin facade over JSON Schema: the type rides on the schema as a property, so reading it is one look-up (TypeBox's own
 * `Static` cost sixteen times the instantiations). The values are plain JSON Schema (draft 2020-12), so OpenAPI takes them as
 * they are; what JSON Schema has no word for (optional, from the caller, a file) hangs on them under symbols.
 */
import { failed } from '../base/index.ts'

export interface Schema<T = unknown> { readonly '~type': T }
export interface ObjectSchema<T = unknown, Caller extends string = string> extends Schema<T> { readonly '~caller': Caller }
export interface Optional<T> extends Schema<T> { readonly '~optional': true }
export interface FromCaller { readonly '~fromCaller': true }
export type Infer<S extends Schema> = S['~type']
export type Fields = Readonly<Record<string, Schema>>

type OptionalKeys<P> = { [K in keyof P]: P[K] extends Optional<any> ? K : never }[keyof P]
type CallerKeys<P> = Extract<{ [K in keyof P]: P[K] extends FromCaller ? K : never }[keyof P], string>
type Flat<T> = { [K in keyof T]: T[K] }
export type Shape<P extends Fields> = [OptionalKeys<P>] extends [never] ? { -readonly [K in keyof P]: P[K]['~type'] }
  : Flat<{ -readonly [K in Exclude<keyof P, OptionalKeys<P>>]: P[K]['~type'] } & { -readonly [K in OptionalKeys<P>]?: P[K]['~type'] }>
export type ObjectOf<P extends Fields> = ObjectSchema<Shape<P>, CallerKeys<P>>
export type CallerFields<S> = S extends { readonly '~caller': infer C extends string } ? C : never
export type Mark<S extends Schema> = S & FromCaller
export type PageInput<P extends Fields> = ObjectSchema<Flat<Shape<P> & { limit?: number; cursor?: string }>, CallerKeys<P>>
export type PageOutput<S extends Schema> = ObjectSchema<{ data: S['~type'][]; nextCursor: string | null; hasMore: boolean }, never>

interface Text { minLength?: number; maxLength?: number; pattern?: string; format?: 'uuid' | 'email' | 'date-time' | 'uri'; description?: string }
interface Numeric { minimum?: number; maximum?: number; description?: string }
interface List { minItems?: number; maxItems?: number; uniqueItems?: boolean; description?: string }

const optional = Symbol('optional')
const fromCaller = Symbol('from the caller')
const kind = Symbol('kind')

/** A schema as the platform reads it: JSON Schema with marks. */
export interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  /** Fields beyond `properties`: none where it is false; a schema is that of each. */
  readonly additionalProperties?: boolean | JsonSchema
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly [optional]?: true
  /** The field of the caller's identity that fills this one. */
  readonly [fromCaller]?: string
  readonly [kind]?: 'file' | 'page'
}

/** The same value, seen as JSON Schema. */
export function jsonSchema(schema: Schema): JsonSchema {
  return schema as JsonSchema // a schema's type is a phantom: the value has always been JSON Schema
}

function made<S extends Schema>(value: object): S {
  return Object.freeze(value) as S
}

export const t = {
  Object<P extends Fields>(fields: P): ObjectOf<P> {
    const required = Object.keys(fields).filter((name) => !jsonSchema(fields[name] as Schema)[optional])
    return made({ type: 'object', properties: { ...fields }, required, additionalProperties: false })
  },
  Array<T>(item: Schema<T>, options: List = {}): Schema<T[]> { return made({ type: 'array', items: item, ...options }) },
  String(options: Text = {}): Schema<string> { return made({ type: 'string', ...options }) },
  Integer(options: Numeric = {}): Schema<number> { return made({ type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER, ...options }) },
  Number(options: Numeric = {}): Schema<number> { return made({ type: 'number', ...options }) },
  Boolean(): Schema<boolean> { return made({ type: 'boolean' }) },
  Null(): Schema<null> { return made({ type: 'null' }) },
  Literal<const V extends string | number | boolean>(value: V): Schema<V> { return made({ const: value }) },
  Union<const S extends readonly Schema[]>(schemas: S): Schema<S[number]['~type']> {
    if (schemas.length === 0) throw failed('definition', 'A union has no variants, so nothing fits it: name one.')
    const literals = schemas.map((schema) => (schema as { const?: unknown }).const)
    return made(literals.every((literal) => literal !== undefined) ? { enum: literals } : { anyOf: schemas })
  },
  /** Keeps the caller's mark. */
  Optional<S extends Schema>(schema: S): Optional<S['~type']> & (S extends FromCaller ? FromCaller : unknown) { return made({ ...schema, [optional]: true }) },
  /** Keeps the caller's mark: a mark that a transformation loses would be a hole. */
  Pick<T, C extends string, const K extends keyof T & string>(schema: ObjectSchema<T, C>, keys: readonly K[]): ObjectSchema<Pick<T, K>, Extract<K, C>> {
    const fields = jsonSchema(schema).properties ?? {}
    return made(t.Object(Object.fromEntries(keys.map((key) => [key, fields[key] as Schema]))))
  },
}

/** A field that only the caller's identity may fill: no part of a body, of OpenAPI or of the client. */
export function markFromCaller<S extends Schema>(schema: S, field: string): Mark<S> {
  return made({ ...schema, [fromCaller]: field })
}

/** input field → the field of the caller's identity that fills it. */
export function callerFields(schema: JsonSchema): ReadonlyMap<string, string> {
  const marked = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => field[fromCaller] ? [[name, field[fromCaller]] as const] : [])
  return new Map(marked)
}

/** Whether a mark stands deeper than on the input's own fields, where nothing would fill it and a body could. */
export function hasBuriedMark(schema: JsonSchema): boolean {
  const below = ({ properties, items, anyOf }: JsonSchema) => [...Object.values(properties ?? {}), ...(items ? [items] : []), ...(anyOf ?? [])]
  const isMarked = (inner: JsonSchema): boolean => inner[fromCaller] !== undefined || below(inner).some(isMarked)
  return Object.values(schema.properties ?? {}).flatMap(below).some(isMarked)
}

/** A schema without the fields that the caller's identity fills: what a client may send. */
export function withoutCaller(schema: JsonSchema): JsonSchema {
  const hidden = callerFields(schema)
  if (hidden.size === 0) return schema
  const properties = Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([name]) => !hidden.has(name)))
  return { ...schema, properties, required: (schema.required ?? []).filter((name) => !hidden.has(name)) }
}

export function kindOf(schema: JsonSchema): 'file' | 'page' | undefined { return schema[kind] }

/** @internal Marks a schema as a file or a page. */
export function markKind<S extends Schema>(schema: Schema, value: 'file' | 'page'): S { return made({ ...schema, [kind]: value }) }
