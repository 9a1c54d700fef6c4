import { type Duration, failed, type Rate } from '../base/index.ts'
import type { FieldOf } from './options.ts'
import { definitionOf, type Kind, type Procedure, type ProcedureDefinition } from './procedure.ts'
import { callerFields } from './schema.ts'

/** Who may call: made by `defineAuth`. */
export interface Public { readonly '~auth': 'public' }
export interface SignedIn { readonly '~auth': 'caller' }

type Flat<T> = { [K in keyof T]: T[K] }
type Params<P extends string> = P extends `${string}{${infer Name}}${infer Rest}` ? Name | Params<Rest> : never
type CheckPath<P extends string, In> = [Exclude<Params<P>, keyof In>] extends [never] ? unknown : { 'the path names a field that the input has not': Exclude<Params<P>, keyof In> }
type AuthFor<Caller extends string> = [Caller] extends [never] ? Public | SignedIn : SignedIn
interface RouteOptions<Caller extends string, In, Out, Auth = AuthFor<Caller>> {
  auth: Auth
  status?: 200 | 201 | 202 | 204
  location?: (answer: Out) => string
  /** Beside the limit that every address has. `by` a field: each of its values has its own. */
  limit?: readonly { by: 'address' | 'caller' | Exclude<FieldOf<In>, Caller>; rate: Rate }[]
  /** What is shed last. */
  priority?: 'critical' | 'normal' | 'background'
  tags?: readonly string[]
}
/** A shared cache asks nobody who they are. */
interface Read<Auth> { edge?: Auth extends Public ? { maxAge: Duration; staleWhileRevalidate?: Duration } : { 'only what anyone may see is kept in a shared cache': Public } }
interface Write { idempotencyKey?: 'required' | 'optional' }
export interface Route<Method extends string, Path extends string, In, Out, Errors> { readonly method: Method; readonly path: Path; readonly '~route': { in: In; out: Out; errors: Errors } }
type ReadRoute<Method extends string> = <const P extends string, In, Out, Caller extends string, Errors, Auth extends AuthFor<Caller>>(
  path: P & CheckPath<P, In>, procedure: Procedure<'query' | 'lookup', In, Out, Caller, Errors>, options: RouteOptions<Caller, In, Out, Auth> & Read<Auth>) => Route<Method, P, Flat<Omit<In, Caller>>, Out, Errors>
type WriteRoute<Method extends string> = <const P extends string, In, Out, Caller extends string, Errors>(
  path: P & CheckPath<P, In>, procedure: Procedure<'command' | 'action', In, Out, Caller, Errors>, options: RouteOptions<Caller, In, Out> & Write) => Route<Method, P, Flat<Omit<In, Caller>>, Out, Errors>

/** A route as the platform sees it. */
export interface RouteDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly params: readonly string[]
  readonly procedure: ProcedureDefinition
  readonly auth: AuthRule
  readonly status: number
  readonly location: ((answer: any) => string) | undefined
  readonly limit: readonly { readonly by: string; readonly rate: Rate }[]
  readonly priority: 'critical' | 'normal' | 'background'
  readonly tags: readonly string[]
  readonly edge: { readonly maxAge: Duration; readonly staleWhileRevalidate?: Duration } | undefined
  readonly idempotencyKey: 'required' | 'optional' | undefined
}
/** What `anyone`, `signedIn` and `role(...)` are inside: what a caller must be, and what defined it. */
export interface AuthRule { readonly '~auth': 'public' | 'caller'; readonly roles?: readonly string[]; readonly definition: AuthDefinition }
export interface AuthDefinition { readonly principal: readonly string[]; readonly accessMs: number; readonly refreshMs: number; readonly unlimited: readonly string[]; readonly module: { readonly name: string } }

function route(method: RouteDefinition['method'], kinds: readonly Kind[]) {
  return (path: string, procedure: Procedure<Kind, any, any>, options: Partial<RouteDefinition> & { auth: AuthRule }): RouteDefinition => {
    const definition = definitionOf(procedure)
    const name = `${method} ${path}`
    if (!kinds.includes(definition.kind)) throw failed('definition', `The route ${name} serves ${/^[ao]/.test(definition.kind) ? 'an' : 'a'} ${definition.kind}: ${method} serves ${kinds.join(' or ')}.`)
    if (!/^(\/([\w.~-]+|\{[A-Za-z]\w*\}))+$/.test(path)) throw failed('definition', `The route ${name} has a path that cannot be served: write it as '/orders/{id}'.`)
    const params = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string)
    const missing = params.filter((param) => !definition.input.properties?.[param])
    if (missing.length > 0) throw failed('definition', `The route ${name} names ${missing.join(', ')}, which the input of ${definition.name} has not.`)
    if (options.auth['~auth'] === 'public' && callerFields(definition.input).size > 0) throw failed('definition', `The route ${name} is open to anyone, but ${definition.name} needs the caller's identity: use signedIn or role.`)
    if (options.edge && options.auth['~auth'] !== 'public') throw failed('definition', `The route ${name} is for callers who signed in, but says edge: a shared cache gives what it holds to anyone, so take edge away, or serve it to anyone.`)
    return {
      method, path, params, procedure: definition, auth: options.auth, status: options.status ?? 200, location: options.location, limit: options.limit ?? [],
      priority: options.priority ?? 'normal', tags: options.tags ?? [definition.module.name], edge: options.edge, idempotencyKey: options.idempotencyKey,
    }
  }
}

// The public faces of one function: the compiler holds a GET to reading, and an open route to procedures without a caller.
const reads: readonly Kind[] = ['query', 'lookup']
const writes: readonly Kind[] = ['command', 'action']
export const get = route('GET', reads) as unknown as ReadRoute<'GET'> // public face
export const post = route('POST', writes) as unknown as WriteRoute<'POST'> // public face
export const put = route('PUT', writes) as unknown as WriteRoute<'PUT'> // public face
export const patch = route('PATCH', writes) as unknown as WriteRoute<'PATCH'> // public face
export const del = route('DELETE', writes) as unknown as WriteRoute<'DELETE'> // public face

export interface Routes<Prefix extends string, R extends readonly Route<string, string, any, any, any>[]> { readonly prefix: Prefix; readonly routes: R }

/** A table of routes under a prefix, such as '/v1'. OpenAPI and the typed client follow from it. */
export function routes<const Prefix extends string, const R extends readonly Route<string, string, any, any, any>[]>(prefix: Prefix, list: R): Routes<Prefix, R> {
  return { prefix, routes: list }
}
