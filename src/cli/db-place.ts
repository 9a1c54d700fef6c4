import type pg from 'pg'
import type { AppDefinition } from '../app/index.ts'
import { failed, reasonOf } from '../base/index.ts'
import { type Connection, connectionOf } from '../data/index.ts'
import { connected } from '../ops/index.ts'
import { attach } from '../runtime/index.ts'
import type { Given } from './command.ts'
import { configOfWhatIsUp } from './what-is-up.ts'

/** The database that a command of `tenfold db` looks at: the application's, whether it runs or not, or the one that --url names. Its replicas count for themselves. */
export interface Place { readonly connection: Connection; readonly replicas: readonly Connection[]; readonly app: AppDefinition | undefined; close(): Promise<void> }

/** Errors: `usage`, `topology`, `start`. */
export async function placeOf({ values, ...place }: Given): Promise<Place> {
  if (typeof values['url'] === 'string') return { connection: connectionOf(values['url'], '--url'), replicas: [], app: undefined, async close() {} }
  const { app, topology } = await configOfWhatIsUp(place)
  const { admin, replicas, app: definition, close } = await attach(app, topology)
  return { connection: admin, replicas, app: definition, close }
}

/** The replicas that answer; what the others count is missing, and that is said. A member of a cluster that leads it is none. */
export async function connectedReplicas({ replicas }: Pick<Place, 'replicas'>, signal?: AbortSignal): Promise<pg.Client[]> {
  const found: pg.Client[] = []
  for (const replica of replicas) {
    try {
      const client = await connected(replica, signal)
      const { rows: [row] } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby')
      if (row?.standby) found.push(client)
      else await client.end()
    } catch (error) {
      signal?.throwIfAborted()
      say(`what runs there is not counted: ${reasonOf(error)}`)
    }
  }
  return found
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
