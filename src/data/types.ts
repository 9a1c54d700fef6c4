import pg from 'pg'

/**
 * How values come back: 64-bit integers as numbers (money is integer pence), and times as ISO 8601 texts that keep their
 * microseconds, so that a cursor made from a row finds that row again.
 */
const parsers = new Map<number, (text: string) => unknown>([
  [pg.types.builtins.INT8, safeInteger],
  [pg.types.builtins.TIMESTAMPTZ, isoTime],
  [pg.types.builtins.TIMESTAMP, isoTime],
  [pg.types.builtins.DATE, (text) => text],
])

function safeInteger(text: string): number | string {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

/** `2026-11-23 20:49:32.123456+00` (sessions run in UTC) → `2026-11-23T20:49:32.123456Z`. */
function isoTime(text: string): string {
  return text.replace(' ', 'T').replace(/\+00$/, 'Z')
}

export const columnTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => (format !== 'binary' && parsers.get(oid)) || pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
}
