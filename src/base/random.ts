import { randomBytes } from 'node:crypto'

/** Chance comes in from outside, so that a seed repeats a run. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  bytes(count: number): Buffer
  /** So many bytes as hexadecimal digits, in small letters: for ids, not for secrets, since what was drawn stays in memory for a while. */
  hex(count: number): string
}

/** What a running process uses: bytes are fit for secrets. Drawn from the system some thousand at a time, since each request needs a few. */
export const systemRandom: Random = { float: Math.random, bytes: pooledBytes(4096), hex: pooledHex(4096) }

function pooledBytes(poolSize: number): (count: number) => Buffer {
  let pool = Buffer.alloc(0)
  return (count) => {
    if (count > poolSize / 4) return randomBytes(count)
    if (pool.length < count) pool = randomBytes(poolSize)
    const bytes = Buffer.from(pool.subarray(0, count))
    pool.fill(0, 0, count)
    pool = pool.subarray(count)
    return bytes
  }
}

function pooledHex(poolSize: number): (count: number) => string {
  let [pool, at] = ['', 0]
  return (count) => {
    if (at + 2 * count > pool.length) [pool, at] = [randomBytes(Math.max(poolSize, count)).toString('hex'), 0]
    const from = at
    at += 2 * count
    return pool.slice(from, at)
  }
}

/** Mulberry32: small, fast, good enough to choose faults by; never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(float() * 256)))
  return { float, bytes, hex: (count) => bytes(count).toString('hex') }
}
