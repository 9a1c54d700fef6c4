import { argon2 as argon2WithCallback, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { bulkhead, BulkheadRejectedError } from 'cockatiel'
import { failed, type Random, systemRandom } from '../base/index.ts'

const argon2 = promisify(argon2WithCallback)

/** Passwords, hashed with argon2id (RFC 9106). */
export interface Passwords {
  hash(password: string): Promise<string>
  verify(hash: string | undefined, password: string): Promise<boolean>
}
/** `memoryKiB` and `passes` are what one hash costs; `running` hashes are worked on at once, `waiting` wait for their turn. */
export interface PasswordOptions { readonly memoryKiB: number; readonly passes: number; readonly running: number; readonly waiting: number }

const saltBytes = 16
const tagBytes = 32
/** A longer one is refused: what nobody types is somebody's attempt to keep us busy. In characters. */
const passwordLengthMax = 1_000
/** A stored hash that asks for more was not made by us, and one sign-in with it would take the process down. */
const costMax = { memoryKiB: 256 * 1024, passes: 16, lanes: 16 }
/** How long a full queue takes to have room again, in milliseconds, near enough. */
const retryAfterMs = 2_000

// $argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>, both in base64 without padding (the PHC string format).
const phc = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,171})$/

interface Parsed { readonly memoryKiB: number; readonly passes: number; readonly lanes: number; readonly salt: Buffer; readonly tag: Buffer }

export function createPasswords(random: Random, { memoryKiB, passes, running, waiting }: PasswordOptions): Passwords {
  const places = bulkhead(running, waiting)
  // Nobody's: what is compared for an unknown account, at the price of a known one.
  const nobody: Parsed = { memoryKiB, passes, lanes: 1, salt: Buffer.alloc(saltBytes, 1), tag: Buffer.alloc(tagBytes) }
  const derive = async (password: string, like: Parsed): Promise<Buffer> => {
    // Two keyboards write one letter in two ways: NFKC makes them one (NIST SP 800-63B-4, section 3.1.1.2).
    const message = password.length > passwordLengthMax ? undefined : Buffer.from(password.normalize('NFKC'))
    if (message === undefined) throw failed('invalid', `A password has at most ${passwordLengthMax} characters.`, { faults: [{ path: '/password', message: `must have at most ${passwordLengthMax} characters` }] })
    try {
      return await places.execute(() => argon2('argon2id', { message, nonce: like.salt, parallelism: like.lanes, tagLength: like.tag.length, memory: like.memoryKiB, passes: like.passes }))
    } catch (error) {
      if (error instanceof BulkheadRejectedError) throw failed('overloaded', `Too many sign-ins at once: try again in ${retryAfterMs / 1000} s.`, { retryAfterMs, cause: error })
      throw error
    }
  }
  return {
    async hash(password) {
      const made = { ...nobody, salt: random.bytes(saltBytes) }
      const tag = await derive(password, made)
      return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=1$${base64(made.salt)}$${base64(tag)}`
    },
    async verify(hash, password) {
      const stored = hash === undefined ? nobody : parse(hash)
      const same = timingSafeEqual(await derive(password, stored), stored.tag)
      return same && hash !== undefined
    },
  }
}

function base64(bytes: Buffer): string { return bytes.toString('base64').replaceAll('=', '') }

function parse(hash: string): Parsed {
  const [, memory, passes, lanes, salt, tag] = phc.exec(hash) ?? []
  const cost = { memoryKiB: Number(memory), passes: Number(passes), lanes: Number(lanes) }
  const usable = salt !== undefined && tag !== undefined && cost.passes >= 1 && cost.lanes >= 1 && cost.memoryKiB >= 8 * cost.lanes
    && cost.memoryKiB <= costMax.memoryKiB && cost.passes <= costMax.passes && cost.lanes <= costMax.lanes
  // Not a wrong password: the row is damaged, or from another system. The hash itself stays out of the message.
  if (!usable) throw failed('internal', 'A stored password hash is no argon2id hash in the PHC string format, or asks for too much: let its owner set a new password.')
  return { ...cost, salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') }
}

// OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB, 2 passes, 1 lane. Node gives each hash a thread of the pool that files,
// name look-ups and signatures need too (4 unless told): two at once leave it half. A hundred waiting are some three seconds.
const passwords = createPasswords(systemRandom, { memoryKiB: 19_456, passes: 2, running: 2, waiting: 100 })

/**
 * A hash to store, as a PHC string: argon2id, 19 MiB, 2 passes, its own salt. Takes some 25 ms of a thread: call it in an action,
 * outside any transaction. Errors: `overloaded` (503) when 100 wait already, `invalid` beyond 1,000 characters.
 */
export function hashPassword(password: string): Promise<string> {
  return passwords.hash(password)
}

/**
 * Whether that is the password. Give `undefined` for an account that does not exist: the answer is false, after the same work, so that
 * nobody learns by the clock which accounts there are. Errors: `overloaded`, `invalid`; `internal` for a hash that is none.
 */
export function verifyPassword(hash: string | undefined, password: string): Promise<boolean> {
  return passwords.verify(hash, password)
}
