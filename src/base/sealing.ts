import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** A key for one purpose, from the process's one secret (HKDF, RFC 5869): 32 bytes. */
export function deriveKey(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `tenfold ${purpose}`, 32))
}

/** `payload.mac` in base64url: anyone can read it, nobody else can make it (HMAC-SHA-256, RFC 2104, cut to 128 bits). */
export function seal(key: Uint8Array, payload: string): string {
  const body = Buffer.from(payload).toString('base64url')
  return `${body}.${mac(key, body).toString('base64url')}`
}

/** The payload of what `seal` made with that key, or undefined for anything else. */
export function unseal(key: Uint8Array, sealed: string): string | undefined {
  const dot = sealed.indexOf('.')
  if (dot < 1) return undefined
  const body = sealed.slice(0, dot)
  const given = Buffer.from(sealed.slice(dot + 1), 'base64url')
  const right = mac(key, body)
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined
  return Buffer.from(body, 'base64url').toString()
}

function mac(key: Uint8Array, body: string): Buffer {
  return createHmac('sha256', key).update(body).digest().subarray(0, 16)
}
