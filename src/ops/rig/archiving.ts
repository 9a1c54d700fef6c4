import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing, replaceFile } from '../../base/private-files.ts'
import type { Home } from './cluster.ts'
import type { PostgresSettings } from './settings.ts'

/**
 * How a database's log gets away. Postgres runs as a user who may neither see the store nor know its keys, and starting a program for each segment would cost more than the copy. So
 * `archive_command` copies nothing: it waits until the application's process, which has seen the segment in `archive_status` and stored it, says so by a file in `pg_wal/stored`.
 * It succeeds only then: with no such process, or a store that fails, Postgres keeps the segment, and nothing is lost but space.
 *
 *   stored/open       somebody stores segments, and the last attempt went well: without it nobody waits
 *   stored/<segment>  the store has it
 *
 * It waits three seconds, since a server that is told to stop waits for it, also where whoever stored segments was killed. Its exit code then is above 125: Postgres' archiver ends, and comes
 * back after ten seconds, rather than try twice more at once. To be late with this costs nothing: what is stored is stored.
 *
 * (`pg_wal` is not part of a base backup, and Postgres passes over names there that are not its own.)
 */
export const storedFolder = 'pg_wal/stored'
const command = `[ -e ${storedFolder}/open ] || exit 255; i=0; while [ $i -lt 30 ]; do [ -e ${storedFolder}/%f ] && exit 0; [ -e ${storedFolder}/open ] || exit 255; sleep 0.1 || sleep 1; i=$((i+1)); done; exit 255`

/** `timeoutSeconds`: a segment is handed on after so long, full or not. */
export interface Archiving { readonly timeoutSeconds: number }

/**
 * The settings of a start on that home. Whether a database archives is kept with it (the file `archiving`), so that nobody who starts it for a moment, to migrate or to look,
 * makes a hole in its log. `wanted`: 'off' ends it; undefined leaves it as it was.
 */
export async function archiveSettings(home: Home, wanted: Archiving | 'off' | undefined): Promise<PostgresSettings> {
  const file = join(home.directory, 'archiving')
  await rm(join(home.cluster, storedFolder, 'open'), { force: true }) // a killed one's
  if (wanted === 'off') await rm(file, { force: true })
  else if (wanted) await replaceFile(file, `${JSON.stringify(wanted)}\n`)
  const kept = wanted ?? await readFile(file, 'utf8').then((text) => JSON.parse(text) as Archiving, (error: unknown) => { if (isMissing(error)) return 'off' as const; throw error })
  if (kept === 'off') return {}
  return { archive_mode: 'on', archive_timeout: `${kept.timeoutSeconds}s`, archive_command: command }
}
