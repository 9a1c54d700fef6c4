import { failed } from './errors.ts'

/** As a person writes it: `'250ms'`, `'15m'`, `'7d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
/** As a person writes it: `'600/min'`. */
export type Rate = `${number}/${'s' | 'min' | 'h'}`
/** As a person writes it: `'5mb'` (powers of 1,024). */
export type Size = `${number}${'kb' | 'mb' | 'gb'}`

const durationMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const rateMs = { s: 1_000, min: 60_000, h: 3_600_000 } as const
const sizeBytes = { kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const

/** Milliseconds. `where` names the setting, for the error `definition`. */
export function milliseconds(duration: Duration, where = 'a duration'): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration)
  if (!match) throw failed('definition', `${where} is ${JSON.stringify(duration)}: write a number and ms, s, m, h or d, such as '15m'.`)
  return Number(match[1]) * durationMs[match[2] as keyof typeof durationMs]
}

/** How many in how many milliseconds. */
export function rate(text: Rate, where = 'a rate'): { count: number; perMs: number } {
  const match = /^(\d+)\/(s|min|h)$/.exec(text)
  if (!match || Number(match[1]) < 1) throw failed('definition', `${where} is ${JSON.stringify(text)}: write a whole number above 0 and /s, /min or /h, such as '600/min'.`)
  return { count: Number(match[1]), perMs: rateMs[match[2] as keyof typeof rateMs] }
}

/** Bytes. */
export function bytes(size: Size, where = 'a size'): number {
  const match = /^(\d+(?:\.\d+)?)(kb|mb|gb)$/.exec(size)
  if (!match) throw failed('definition', `${where} is ${JSON.stringify(size)}: write a number and kb, mb or gb, such as '5mb'.`)
  return Math.floor(Number(match[1]) * sizeBytes[match[2] as keyof typeof sizeBytes])
}
