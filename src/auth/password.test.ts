import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPasswords, hashPassword, verifyPassword } from './password.ts'
import { isTenfoldError, seededRandom } from '../base/index.ts'

const cheap = { memoryKiB: 64, passes: 1, running: 2, waiting: 10 }

test('a password is verified by its hash, and only by it', async () => {
  const hash = await hashPassword('correct horse')
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.equal(await verifyPassword(hash, 'correct horse'), true)
  assert.equal(await verifyPassword(hash, 'correct horsf'), false)
  assert.equal(await verifyPassword(hash, ''), false)
  assert.equal(await verifyPassword(undefined, 'correct horse'), false)
})

test('equal passwords have different hashes, and a letter is one however it is typed', async () => {
  const { hash, verify } = createPasswords(seededRandom(1), cheap)
  assert.notEqual(await hash('café'), await hash('café'))
  assert.equal(await verify(await hash('caf\u00e9'), 'cafe\u0301'), true)
})

test('hashes of others are read, with the cost that they say', async () => {
  // A test vector of the reference implementation (P-H-C/phc-winner-argon2, src/test.c: argon2id, 64 MiB, 'password', 'somesalt').
  const { verify } = createPasswords(seededRandom(1), cheap)
  assert.equal(await verify('$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', 'password'), true)
  assert.equal(await verify('$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', 'passwort'), false)
})

test('a stored hash that is none, or would cost too much, is a fault of ours and no wrong password', async () => {
  const salt = 'c29tZXNhbHQ'
  const tag = 'CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  const broken = ['', 'plain', '$2b$10$abcdefghijklmnopqrstuv', `$argon2i$v=19$m=64,t=1,p=1$${salt}$${tag}`, `$argon2id$v=16$m=64,t=1,p=1$${salt}$${tag}`, `$argon2id$v=19$m=64,t=1,p=1$${salt}$`,
    `$argon2id$v=19$m=4194304,t=1,p=1$${salt}$${tag}`, `$argon2id$v=19$m=64,t=999,p=1$${salt}$${tag}`, `$argon2id$v=19$m=64,t=0,p=1$${salt}$${tag}`, `$argon2id$v=19$m=64,t=1,p=9$${salt}$${tag}`]
  for (const hash of broken) await assert.rejects(verifyPassword(hash, 'password'), (error: unknown) => isTenfoldError(error, 'internal') && !error.message.includes(tag), hash)
})

test('a few are hashed at once, a bounded number waits, and the rest is told when to come back', async () => {
  const { hash, verify } = createPasswords(seededRandom(1), cheap)
  const attempts = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => index % 2 === 0 ? hash('password') : verify(undefined, 'password')))
  const refused = attempts.filter((attempt) => attempt.status === 'rejected').map(({ reason }) => reason as unknown)
  assert.equal(refused.length, 8)
  for (const error of refused) assert.ok(isTenfoldError(error, 'overloaded') && error.status === 503 && error.retryAfterMs === 2_000)
  assert.equal(await verify(await hash('password'), 'password'), true)
})

test('an endless password is refused before any work', async () => {
  await assert.rejects(hashPassword('x'.repeat(1_001)), (error: unknown) => isTenfoldError(error, 'invalid'))
  await assert.rejects(verifyPassword(undefined, 'x'.repeat(1_001)), (error: unknown) => isTenfoldError(error, 'invalid'))
})
