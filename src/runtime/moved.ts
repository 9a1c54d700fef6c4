import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../base/index.ts'
import { isMissing } from '../base/private-files.ts'

/** Left in a data directory whose database was moved to a server. */
export function movedFile(directory: string): string { return join(directory, 'moved.json') }

/** What goes on in a database that was moved away is lost there. Errors: `start`, where it was. */
export async function assertStays(directory: string): Promise<void> {
  const text = await readFile(movedFile(directory), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (text === undefined) return
  const { to = 'a server', at = '' } = JSON.parse(text) as { to?: string; at?: string }
  throw failed('start', `The database in ${directory} was moved to ${to}${at ? ` on ${at.slice(0, 10)}` : ''}: start with that topology; to go on here all the same, without what was written there since, remove ${movedFile(directory)}.`)
}
