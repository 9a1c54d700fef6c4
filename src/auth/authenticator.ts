import type { CryptoKey } from 'jose'
import { LRUCache } from 'lru-cache'
import type { AuthDefinition } from '../app/index.ts'
import { deepFreeze, failed } from '../base/index.ts'
import type { Platform } from '../calls/index.ts'
import { createRevocations } from './revocations.ts'
import { audienceOf, schemeOf } from './scheme.ts'
import { accessKeyPurpose, expired, type Principal, tokenLengthMax, unauthenticated, verifyAccessToken, verifyingKey } from './token.ts'

/** Says who calls. */
export interface Authenticator {
  /**
   * Who an Authorization header speaks for; null without one. The answer is shared between calls, and frozen. Errors:
   * `unauthenticated`, with the reason; the database's, as long as the list of revoked tokens was never read.
   */
  verify(authorization: string | undefined): Promise<Principal | null>
  /** Whether an access token frees the request that brings it along from rate limits. Errors: as `verify`; `forbidden` for a role that does not. */
  allowsUnlimited(token: string): Promise<boolean>
  /** Reads which tokens are revoked: at start, and then every 500 ms. Rejects only as long as it never succeeded. */
  refreshRevoked(): Promise<void>
  /** To be told of every event that this process commits, before its command is answered: a revocation counts here at once. */
  onCommitted(event: string, payload: unknown): void
}

const bearer = /^bearer +([\w.~+/-]+=*)$/i // RFC 6750, section 2.1

interface Known { readonly principal: Principal; readonly jti: string; readonly expiresAtMs: number }

/**
 * One token is verified once for each process; after that its expiry and its revocation are looked at, which costs about a microsecond.
 * @param knownMax tokens that are remembered at most. Only what was verified is: a flood of forged ones pushes nobody out.
 */
export function createAuthenticator(platform: Pick<Platform, 'key' | 'data' | 'clock' | 'logs' | 'metrics'>, definition: AuthDefinition, knownMax = 10_000): Authenticator {
  const { clock } = platform
  const revocations = createRevocations(platform)
  const known = new LRUCache<string, Known>({ max: knownMax })
  const read = reader(platform, definition)
  const authenticator: Authenticator = {
    async allowsUnlimited(token) {
      const principal = await authenticator.verify(`Bearer ${token}`)
      if (!definition.unlimited.includes(String(principal?.['role']))) throw failed('forbidden', 'The token in tenfold-unlimited is of a role that rate limits hold for: leave the header away.')
      return true
    },
    async verify(authorization) {
      if (authorization === undefined) return null
      if (!revocations.loaded) await revocations.refresh()
      let token = known.get(authorization)
      if (!token) known.set(authorization, token = await read(authorization))
      if (token.expiresAtMs <= clock.now()) {
        known.delete(authorization)
        throw expired()
      }
      if (revocations.has(token.jti)) throw unauthenticated('The access token was revoked: sign in again.')
      return token.principal
    },
    refreshRevoked: revocations.refresh,
    onCommitted: revocations.onCommitted,
  }
  return authenticator
}

function reader({ key, clock }: Pick<Platform, 'key' | 'clock'>, definition: AuthDefinition): (authorization: string) => Promise<Known> {
  const { principal: fields, check, module } = schemeOf(definition)
  let verifying: Promise<CryptoKey> | undefined
  return async (authorization) => {
    const token = authorization.length <= tokenLengthMax + 16 ? bearer.exec(authorization)?.[1] : undefined
    if (token === undefined) throw unauthenticated('The Authorization header holds no access token: send it as "Authorization: Bearer <access token>".')
    const claims = await verifyAccessToken(await (verifying ??= verifyingKey(key(accessKeyPurpose))), token, audienceOf(module), clock.now())
    const principal: Principal = Object.fromEntries(fields.map((field) => [field, field === 'id' ? claims.sub : claims[field]] as const).filter(([, value]) => value !== undefined))
    try {
      check(principal)
    } catch (cause) {
      throw unauthenticated('The access token is from another version of this application: sign in again.', cause)
    }
    return { principal: deepFreeze(principal), jti: claims.jti, expiresAtMs: claims.exp * 1000 }
  }
}
