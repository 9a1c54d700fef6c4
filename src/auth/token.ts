import { type CryptoKey, errors, jwtVerify, type JWTPayload, SignJWT } from 'jose'
import { failed, type TenfoldError } from '../base/index.ts'

/** Who calls: the fields that `defineAuth` names. */
export type Principal = Readonly<Record<string, unknown>>

/** What the key is derived for. */
export const accessKeyPurpose = 'access tokens'
/** Characters. Longer ones are refused before any work is done on them, and never issued. */
export const tokenLengthMax = 4_000

const issuer = 'tenfold'
// Pinned on both sides, as RFC 8725 asks (sections 3.1 and 3.11): the token does not choose how it is verified, nor what it is.
const header = { alg: 'HS256', typ: 'at+jwt' } as const
/** Claims with a meaning of their own (RFC 7519, section 4.1): no field of a principal may have these names. */
export const reservedClaims: readonly string[] = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat']

export interface AccessToken {
  /** With its `id` (the claim `sub`) and its `jti`. */
  readonly principal: Principal & { readonly id: string; readonly jti: string }
  /** The application that it is for. */
  readonly audience: string
  /** Seconds since the epoch, as JWT counts. */
  readonly issuedAtSeconds: number
  readonly expiresAtSeconds: number
}

/** A JWT (RFC 7519) under HMAC-SHA-256. `key` is 32 bytes. Errors: `definition` when the principal is too large for a header. */
export async function signAccessToken(key: Uint8Array, { principal, audience, issuedAtSeconds, expiresAtSeconds }: AccessToken): Promise<string> {
  const { id, jti, ...claims } = principal
  const token = await new SignJWT(claims).setProtectedHeader(header).setIssuer(issuer).setAudience(audience)
    .setSubject(id).setJti(jti).setIssuedAt(issuedAtSeconds).setExpirationTime(expiresAtSeconds).sign(key)
  if (token.length > tokenLengthMax) throw failed('definition', `The access token of ${id} would be ${token.length} characters long, ${tokenLengthMax} are allowed: keep ids in the principal, and look the rest up.`)
  return token
}

/** The key as the runtime keeps it, so that it is imported once and not for each token. */
export function verifyingKey(key: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', Uint8Array.from(key), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

/**
 * The claims of a token that this application issued and that is valid now, with no tolerance for clocks that differ.
 * Errors: `unauthenticated`, with the reason.
 */
export async function verifyAccessToken(key: CryptoKey, token: string, audience: string, nowMs: number): Promise<JWTPayload & { sub: string; jti: string; exp: number }> {
  // Base64 reads letters that it would never write: one token has one spelling.
  const signature = token.slice(token.lastIndexOf('.') + 1)
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) throw forged()
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [header.alg], typ: header.typ, issuer, audience, requiredClaims: ['sub', 'jti', 'iat', 'exp'], currentDate: new Date(nowMs), clockTolerance: 0,
    })
    const { sub, jti, exp } = payload
    if (typeof sub !== 'string' || typeof jti !== 'string' || exp === undefined) throw forged()
    return { ...payload, sub, jti, exp }
  } catch (cause) {
    throw refusal(cause)
  }
}

export function unauthenticated(message: string, cause?: unknown): TenfoldError {
  return failed('unauthenticated', message, { cause })
}

export function expired(cause?: unknown): TenfoldError {
  return unauthenticated('The access token has expired: refresh it, or sign in again.', cause)
}

function forged(cause?: unknown): TenfoldError {
  return unauthenticated('The access token is not one that this server issued: sign in to get one.', cause)
}

function refusal(cause: unknown): unknown {
  if (cause instanceof errors.JWTExpired) return expired(cause)
  if (cause instanceof errors.JWTClaimValidationFailed && cause.claim === 'nbf') return unauthenticated('The access token is not valid yet: use it later, or sign in to get one.', cause)
  if (cause instanceof errors.JWTClaimValidationFailed && (cause.claim === 'aud' || cause.claim === 'iss')) return unauthenticated('The access token is for another application: sign in to this one.', cause)
  // Whatever else jose finds wrong is the token's fault. An error that is not jose's is ours, and stays what it is.
  return cause instanceof errors.JOSEError ? forged(cause) : cause
}
