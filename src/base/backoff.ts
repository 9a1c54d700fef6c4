import type { Random } from './random.ts'

/** Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): uniform in [0, min(most, base * 2^attempt)), in milliseconds. */
export function backoffMs(random: Pick<Random, 'float'>, attempt: number, baseMs: number, mostMs: number): number {
  return random.float() * Math.min(mostMs, baseMs * 2 ** attempt)
}
