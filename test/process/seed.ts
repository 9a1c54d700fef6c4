import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'

/** Chance that `TENFOLD_SEED` repeats; the seed is printed with the test. */
export function chance(context: Pick<TestContext, 'diagnostic'>): Random & { pick<T>(from: readonly T[]): T; below(count: number): number } {
  const seed = Number(process.env['TENFOLD_SEED'] ?? randomInt(2 ** 31))
  context.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const below = (count: number) => Math.floor(random.float() * count)
  return { ...random, below, pick: <T>(from: readonly T[]) => from[below(from.length)] as T }
}
