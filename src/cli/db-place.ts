import type { AppDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import { type Connection, connectionOf } from '../data/index.ts'
import { attach } from '../runtime/index.ts'
import type { Given } from './command.ts'
import { loadConfig } from './config.ts'

/** The database that a command of `tenfold db` looks at: the application's, whether it runs or not, or the one that --url names. */
export interface Place { readonly connection: Connection; readonly app: AppDefinition | undefined; close(): Promise<void> }

/** Errors: `usage`, `topology`, `start`. */
export async function placeOf({ values, ...place }: Given): Promise<Place> {
  if (typeof values['url'] === 'string') return { connection: connectionOf(values['url'], '--url'), app: undefined, async close() {} }
  const { app, topology } = await loadConfig(place)
  const { admin, app: definition, close } = await attach(app, topology)
  return { connection: admin, app: definition, close }
}

export function limitOf(value: string | boolean | undefined, usual: number): number {
  if (value === undefined) return usual
  const limit = Number(value)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw failed('usage', `--limit is ${JSON.stringify(value)}: use a whole number from 1 to 100.`)
  return limit
}

/** A statement on one line, and not a long one. */
export function oneLine(text: string, lettersMax = 100): string {
  const line = text.replaceAll(/\/\*action='[^']*'\*\//g, '').replaceAll(/\s+/g, ' ').trim()
  return line.length > lettersMax ? `${line.slice(0, lettersMax - 3)}...` : line
}

export const say = (text: string) => process.stderr.write(`  ${text}\n`)
