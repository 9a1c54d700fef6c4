/** Whole pence as people read them: `formatPence(123456)` is `£1,234.56`. Throws a RangeError when it is not a whole number. */
export function formatPence(pence: number): string {
  if (!Number.isSafeInteger(pence)) throw new RangeError(`An amount is a whole number of pence, not ${pence}.`)
  const digits = String(Math.abs(pence)).padStart(3, '0')
  const pounds = digits.slice(0, -2).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
  return `${pence < 0 ? '-' : ''}£${pounds}.${digits.slice(-2)}`
}

/**
 * The pence of a decimal text in pounds, exactly: no floating point, half a penny is rounded away from zero.
 * Undefined when it is not a plain decimal number, or beyond `maxPence`.
 */
export function parsePence(pounds: string): number | undefined {
  const [, sign, whole, , fraction = ''] = /^([+-]?)(?=\.?\d)(\d{0,10})(\.(\d{0,30}))?$/.exec(pounds) ?? []
  if (whole === undefined) return undefined
  const exact = Number(whole || '0') * 100 + Number(fraction.slice(0, 2).padEnd(2, '0'))
  const pence = exact + (fraction.charAt(2) >= '5' ? 1 : 0)
  if (pence > maxPence) return undefined
  return sign === '-' && pence > 0 ? -pence : pence
}

/** The most that a price may be: £1,000,000. */
export const maxPence = 100_000_000
