import { callerFields, type Fields, jsonSchema, markFromCaller, type Mark, type Procedure, type Public, type Schema, type Shape, type SignedIn, t, validator } from '../app/index.ts'
import { type Duration, failed, milliseconds } from '../base/index.ts'
import type { AuthScheme } from './scheme.ts'
import { defineSessions, type SessionModule, type Tokens } from './sessions.ts'
import { reservedClaims } from './token.ts'

/** Every principal has an `id` (whose it is) and a `jti` (which access token it came in). */
export type PrincipalFields = Fields & { readonly id: Schema<string>; readonly jti: Schema<string> }
type RoleOf<P> = P extends { readonly role: Schema<infer R> } ? R : never

export interface Auth<P extends Fields> {
  /** For a route: nobody need sign in. */
  readonly anyone: Public
  /** For a route: any caller who signed in. */
  readonly signedIn: SignedIn
  /** For a route: a caller whose `role` is one of these. */
  role(...roles: RoleOf<P>[]): SignedIn
  /** Fields of an input that only the caller's identity may fill: no part of the body, of OpenAPI or of the client. */
  readonly caller: { readonly [K in keyof P]: Mark<P[K]> }
  readonly tokens: {
    /** Begins a session: call it in an action, once the password was right. */
    readonly issue: Procedure<'command', Omit<Shape<P>, 'jti'>, Tokens, never, never>
    /** The next pair; the old one is dead. Errors: `unauthenticated`; for a token that was used before the whole session has ended. */
    readonly refresh: Procedure<'action', { refreshToken: string }, Tokens, never, never>
    /** Ends the session that this access token belongs to. Nothing happens for one that is unknown or ended. */
    readonly revoke: Procedure<'command', { jti: string }, null, never, never>
  }
  /** Where the tokens are kept. An application takes it with its first route; one without routes lists it among its modules. */
  readonly module: SessionModule
}

export interface AuthOptions<P extends Fields> {
  readonly principal: P
  readonly access: Duration
  readonly refresh: Duration
  /** Roles whose access token, sent as `tenfold-unlimited` beside the caller's own, frees a request from rate limits: imports, load tests, replays. */
  readonly unlimited?: readonly RoleOf<P>[]
}

/**
 * Who callers are and how long their tokens last:
 * `defineAuth({ principal: { id: Id, role: Role, jti: t.String() }, access: '15m', refresh: '7d' })`.
 * The principal's fields are claims of the access token, so anyone who holds one can read them. Errors: `definition`.
 */
export function defineAuth<P extends PrincipalFields>(options: AuthOptions<P>): Auth<P> {
  const [accessMs, refreshMs] = [milliseconds(options.access, `defineAuth's access`), milliseconds(options.refresh, `defineAuth's refresh`)]
  checkOptions(options.principal, accessMs, refreshMs)
  const { jti: _, ...identity } = options.principal as Fields
  const check = validator(jsonSchema(t.Object(options.principal)), `The caller's identity`)
  const { module, tokens } = defineSessions({ identity, check, accessMs, refreshMs })
  const definition: AuthScheme = { principal: Object.keys(options.principal), accessMs, refreshMs, unlimited: (options.unlimited ?? []).map(String), module, check }
  const signedIn = { '~auth': 'caller', definition } as const
  return {
    anyone: { '~auth': 'public', definition } as Public, // and an AuthRule, as routes read it
    signedIn,
    role(...roles) {
      if (roles.length === 0) throw failed('definition', `role() names no role, so nobody could call: name one, or say signedIn.`)
      return { ...signedIn, roles } as SignedIn // and an AuthRule
    },
    caller: Object.fromEntries(Object.entries(options.principal as Fields).map(([name, schema]) => [name, markFromCaller(schema, name)])) as unknown as Auth<P>['caller'], // one mark for each field
    tokens: tokens as unknown as Auth<P>['tokens'], // inside, the identity's fields are any fields
    module,
  }
}

function checkOptions(principal: Fields, accessMs: number, refreshMs: number): void {
  for (const name of ['id', 'jti']) if (!principal[name]) throw failed('definition', `defineAuth's principal has no ${name}: add ${name}: t.String().`)
  const taken = Object.keys(principal).filter((name) => reservedClaims.includes(name))
  if (taken.length > 0) throw failed('definition', `defineAuth's principal has the field ${taken.join(', ')}, which means something else in a token (RFC 7519): use another name.`)
  if (callerFields(jsonSchema(t.Object(principal))).size > 0) throw failed('definition', `defineAuth's principal is made of caller fields: give the plain schemas.`)
  if (accessMs < 1_000) throw failed('definition', `defineAuth's access is ${accessMs} ms: tokens count in seconds, so give it at least '1s'.`)
  if (refreshMs <= accessMs) throw failed('definition', `defineAuth's refresh is not longer than its access: a refresh token must outlive the access token that it renews.`)
}
