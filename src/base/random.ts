import { randomBytes } from 'node:crypto'

/** Chance comes in from outside, so that a seed repeats a run. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  bytes(count: number): Buffer
}

/** What a running process uses: bytes are fit for secrets. Drawn from the system some thousand at a time, since each request needs a few. */
export const systemRandom: Random = { float: Math.random, bytes: pooledBytes(4096) }

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

/** Mulberry32: small, fast, good enough to choose faults by; never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { float, bytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(float() * 256))) }
}
