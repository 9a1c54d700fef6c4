import { callerFields, type RouteDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import type { Step } from '../calls/index.ts'
import type { Authenticator } from './authenticator.ts'
import { unauthenticated } from './token.ts'

/**
 * Who calls, and may they: the caller's identity, the route's rule, and then the input's fields that only the identity may fill.
 * On a route for anyone an Authorization header means nothing. Errors: `unauthenticated` (401), `forbidden` (403).
 */
export function allowed(authenticator: Pick<Authenticator, 'verify'>, route: RouteDefinition): Step {
  const { '~auth': who, roles } = route.auth
  if (who === 'public') return (next) => (call) => { call.caller = null; return next(call) }
  const fields = [...callerFields(route.procedure.input)]
  return (next) => async (call) => {
    const principal = await authenticator.verify(call.arrival?.authorization)
    if (principal === null) throw unauthenticated('This needs a caller: sign in, and send "Authorization: Bearer <access token>".')
    if (roles && !roles.includes(String(principal['role']))) throw failed('forbidden', `This is for the role ${roles.join(' or ')} only: sign in as one who has it.`)
    call.caller = principal
    if (fields.length > 0) call.input = { ...call.input as object ?? call.arrival?.sent(), ...Object.fromEntries(fields.map(([field, name]) => [field, principal[name]])) }
    return next(call)
  }
}
