import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../base/index.ts'
import { isMissing, isThere, replaceFile } from '../base/private-files.ts'

/** Left in a data directory whose database was moved away. */
interface Note { readonly to: string; readonly at: string; /** Into the cluster of `tenfold up --ha`, which is in that directory, too. */ readonly intoCluster?: true }

function noteFile(directory: string): string { return join(directory, 'moved.json') }

/** Says to whoever starts there that the rows are elsewhere. */
export async function noteMove(directory: string, note: Note): Promise<void> { await replaceFile(noteFile(directory), `${JSON.stringify(note)}\n`) }

async function noteIn(directory: string): Promise<Note | undefined> {
  const text = await readFile(noteFile(directory), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  return text === undefined ? undefined : JSON.parse(text) as Note
}

/** Whether the rows of that directory's application are in the cluster of `tenfold up --ha`. */
export async function livesInCluster(directory: string): Promise<boolean> {
  if ((await noteIn(directory))?.intoCluster) return true
  return await isThere(join(directory, 'rig/member-1/postgres/PG_VERSION')) && !await isThere(join(directory, 'postgres/cluster/PG_VERSION'))
}

/** What goes on in a database that was moved away is lost there; so are rows that are in a cluster, and begun anew here. `inCluster`: who asks goes on in the cluster. Errors: `start`, where it is so. */
export async function assertStays(directory: string, { inCluster = false } = {}): Promise<void> {
  const half = await halfUpgraded(directory)
  if (half !== undefined) throw failed('start', `An upgrade of the database in ${directory} was broken off just before its end (${half} is to take its place): run tenfold topology upgrade, which ends it.`)
  const note = await noteIn(directory)
  if (inCluster && (!note || note.intoCluster)) return
  if (!note && await livesInCluster(directory)) {
    throw failed('start', `The rows of this application are in the cluster in ${join(directory, 'rig')}, and would be missed here: go on with tenfold up --ha, or set TENFOLD_DATA to another directory, where the application begins anew.`)
  }
  if (!note) return
  const { to, at } = note
  throw failed('start', `The database in ${directory} was moved to ${to} on ${at.slice(0, 10)}: ${note.intoCluster ? 'go on with tenfold up --ha' : 'start with that topology'}; to go on here all the same, without what was written there since, remove ${noteFile(directory)}.`)
}

/** Says that a copy in that directory is whole; there until it has taken the old one's place. */
export function wholeCopyFile(directory: string): string { return join(directory, 'verified.json') }

/** The copy of an upgrade that has not taken its place yet, where the old one has left it. */
export async function halfUpgraded(directory: string): Promise<string | undefined> {
  if (await isThere(join(directory, 'postgres', 'cluster', 'PG_VERSION'))) return undefined
  const copies = (await readdir(directory).catch(() => [])).filter((name) => /^postgres-\d+$/.test(name))
  for (const name of copies) if (await isThere(wholeCopyFile(join(directory, name)))) return join(directory, name)
  return undefined
}
