import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../base/index.ts'
import { isMissing } from '../base/private-files.ts'

/** Left in a data directory whose database was moved to a server. */
export function movedFile(directory: string): string { return join(directory, 'moved.json') }

/** What goes on in a database that was moved away is lost there; so are rows that are in a cluster, and begun anew here. Errors: `start`, where it is so. */
export async function assertStays(directory: string): Promise<void> {
  if (await isThere(join(directory, 'rig/member-1/postgres/PG_VERSION')) && !await isThere(join(directory, 'postgres/cluster/PG_VERSION'))) {
    throw failed('start', `The rows of this application are in the cluster in ${join(directory, 'rig')}, and would be missed here: go on with tenfold up --ha, or set TENFOLD_DATA to another directory, where the application begins anew.`)
  }
  const text = await readFile(movedFile(directory), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (text === undefined) return
  const { to = 'a server', at = '' } = JSON.parse(text) as { to?: string; at?: string }
  throw failed('start', `The database in ${directory} was moved to ${to}${at ? ` on ${at.slice(0, 10)}` : ''}: start with that topology; to go on here all the same, without what was written there since, remove ${movedFile(directory)}.`)
}

async function isThere(path: string): Promise<boolean> { return await access(path).then(() => true, () => false) }
