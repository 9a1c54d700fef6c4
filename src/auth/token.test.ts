import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { SignJWT } from 'jose'
import { isTenfoldError } from '../base/index.ts'
import { signAccessToken, verifyAccessToken, verifyingKey } from './token.ts'

const key = Buffer.alloc(32, 1)
const nowSeconds = 1_800_000_000
const valid = { principal: { id: 'u1', role: 'user', jti: 'j1' }, audience: 'shop', issuedAtSeconds: nowSeconds, expiresAtSeconds: nowSeconds + 900 }
const verifying = await verifyingKey(key)
const verify = async (token: string, nowMs = nowSeconds * 1000) => verifyAccessToken(verifying, token, 'shop', nowMs)
const part = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const claims = { iss: 'tenfold', aud: 'shop', sub: 'u1', jti: 'j1', role: 'user', iat: nowSeconds, exp: nowSeconds + 900 }
/** Any header and payload, with a signature that is right for them. */
const signed = (header: unknown, payload: unknown, secret: Uint8Array = key, digest = 'sha256') => `${part(header)}.${part(payload)}.${createHmac(digest, secret).update(`${part(header)}.${part(payload)}`).digest('base64url')}`
const header = { alg: 'HS256', typ: 'at+jwt' }

async function refuses(token: string, message: RegExp, nowMs?: number): Promise<void> {
  await assert.rejects(verify(token, nowMs), (error: unknown) => isTenfoldError(error, 'unauthenticated') && error.status === 401 && message.test(error.message), token)
}

test('a token says who it was issued to, for as long as it says', async () => {
  const token = await signAccessToken(key, valid)
  assert.deepEqual(await verify(token), claims)
  await verify(token, (nowSeconds + 900) * 1000 - 1)
  await refuses(token, /has expired/, (nowSeconds + 900) * 1000)
})

test('what was not signed with our key, in our way, is refused', async () => {
  const foreign = /not one that this server issued/
  const [head, body, signature] = (await signAccessToken(key, valid)).split('.') as [string, string, string]
  await refuses(`${part({ alg: 'none', typ: 'at+jwt' })}.${body}.`, foreign)
  for (const alg of ['none', 'NONE', 'nOnE', '', null, 0, ['HS256']]) await refuses(signed({ ...header, alg }, claims), foreign)
  await refuses(signed({ ...header, alg: 'HS512' }, claims, key, 'sha512'), foreign)
  await refuses(signed(header, claims, Buffer.alloc(32, 2)), foreign)
  await refuses(signed(header, claims, Buffer.alloc(0)), foreign)
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await refuses(await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'RS256' }).sign(privateKey), foreign)
  await refuses(`${head}.${part({ ...claims, role: 'admin' })}.${signature}`, foreign)
  await refuses(`${head}.${body}.`, foreign)
  await refuses(`${head}.${body}.${signature.slice(0, 20)}`, foreign)
  await refuses(`${head}.${body}.${signature}.${signature}`, foreign)
})

test('what our key signed for another purpose is refused', async () => {
  const foreign = /not one that this server issued/
  await refuses(signed(header, { ...claims, aud: 'other' }), /for another application/)
  await refuses(signed(header, { ...claims, aud: ['other', 7] }), /for another application/)
  await refuses(signed(header, { ...claims, iss: 'elsewhere' }), /for another application/)
  await refuses(signed(header, { ...claims, nbf: nowSeconds + 1 }), /not valid yet/)
  await refuses(signed({ alg: 'HS256' }, claims), foreign)
  await refuses(signed({ alg: 'HS256', typ: 'JWT' }, claims), foreign)
  await refuses(signed({ ...header, crit: ['x'], x: 1 }, claims), foreign)
  await refuses(signed({ ...header, crit: ['b64'], b64: false }, claims), foreign)
  for (const name of ['sub', 'jti', 'iat', 'exp', 'aud', 'iss']) await refuses(signed(header, { ...claims, [name]: undefined }), /issued|another application/)
  for (const wrong of [{ exp: 'never' }, { exp: null }, { exp: -1 }, { sub: 7 }, { jti: {} }, { nbf: 'now' }]) await refuses(signed(header, { ...claims, ...wrong }), /issued|expired|not valid yet/)
  for (const payload of ['[]', 'null', '7', '{', '']) await refuses(signed(header, payload), foreign)
})

test('no text at all makes anything but a refusal', async () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.array(fc.string().map(part), { maxLength: 5 }).map((parts) => parts.join('.')), fc.tuple(fc.json(), fc.json()).map(([head, body]) => signed(head, body)))
  await fc.assert(fc.asyncProperty(texts, (text) => refuses(text, /./)))
})

test('a principal that fits no header is refused when it is issued', async () => {
  await assert.rejects(signAccessToken(key, { ...valid, principal: { ...valid.principal, role: 'r'.repeat(4_000) } }), (error: unknown) => isTenfoldError(error, 'definition'))
})
