import { failed, type TenfoldError } from '../../base/errors.ts'
import { diskFull } from '../../base/private-files.ts'

interface Place { readonly directory: string; readonly port?: number | undefined }

const wordsOf = { severity: /\b(?:FATAL|PANIC|ERROR|error):\s+/, portTaken: /could not bind IPv[46] address.*Address already in use/, stillInUse: /pre-existing shared memory block|lock file "postmaster\.pid" already exists/ }

export function isPortTaken(log: string): boolean {
  return wordsOf.portTaken.test(log)
}

/** A server of that directory died, and some of its children have not noticed yet; or it is only just going. */
export function isStillInUse(log: string): boolean {
  return wordsOf.stillInUse.test(log)
}

const known: readonly (readonly [RegExp, (place: Place, matched: RegExpExecArray) => string])[] = [
  [wordsOf.portTaken, ({ port }) => `Port ${port}, which the database is to listen on, is in use: stop what uses it, or choose another.`],
  [wordsOf.stillInUse, ({ directory }) => `Remains of an earlier Postgres still work in ${directory}: end the processes named postgres that belong to it.`],
  [/could not bind IPv[46] address.*Permission denied/, ({ port }) => `Port ${port}, which the database is to listen on, is not open to this user: choose one of 1024 or more.`],
  [/unrecognized configuration parameter "(.*?)"/, (_, [, name]) => `Postgres knows no setting ${name}: take it out of the settings, or correct its name.`],
  [/invalid value for parameter "(.*?)"(.*)|.* is outside the valid range for parameter "(.*?)"/, (_, [, name, , other]) => `Postgres refuses the value of the setting ${name ?? other}: give one that it allows.`],
  [/could not (?:map anonymous|create) shared memory|Cannot allocate memory|out of memory/, () => 'There is not enough memory for Postgres: free some, or make its shared_buffers smaller.'],
  [/database files are incompatible with server|not compatible with this version/, ({ directory }) => `The database in ${directory} was made by another build of Postgres: use that one, or set TENFOLD_DATA to another directory.`],
  [/could not look up effective user ID (\d+)/, (_, [, uid]) => `The user ${uid} has no name on this machine, which Postgres needs: give it a line in /etc/passwd, or run as a user who has one.`],
  [/data directory .* has (?:invalid permissions|wrong ownership)/, ({ directory }) => `Postgres refuses ${directory}, which must belong to the user who runs it, and to nobody else: run chmod 700 on it as its owner.`],
  [/could not locate a valid checkpoint record|PANIC:|invalid (?:checkpoint|primary checkpoint)|incorrect checksum in control file|could not open file "(?:global|base)\//, ({ directory }) => `The database in ${directory} is damaged: restore a backup, or set TENFOLD_DATA to another directory to start afresh.`],
  [/error while loading shared libraries|cannot execute|Exec format error|Library not loaded|: not found$/m, () => 'The embedded Postgres does not run on this system: run npm rebuild, or give the topology a Postgres server.'],
  [/Permission denied/, ({ directory }) => `Postgres may not write all of ${directory}: give it to the user who runs it, or set TENFOLD_DATA to another directory.`],
]

/** What `initdb` or `postgres` died of, by its last lines: one sentence, with the lines as its cause. */
export function postgresFault(log: string, place: Place): TenfoldError {
  const cause = new Error(log)
  if (/No space left on device|Disk quota exceeded/.test(log)) return diskFull(place.directory, cause)
  for (const [pattern, sentence] of known) {
    const matched = pattern.exec(log)
    if (matched) return failed('start', sentence(place, matched), { cause })
  }
  const lines = log.split('\n')
  const said = lines.findLast((line) => wordsOf.severity.test(line)) ?? lines.at(-1) ?? ''
  return failed('start', `Postgres did not start in ${place.directory} (${said.replace(/^.*?\b(?:FATAL|PANIC|ERROR|error):\s+/, '') || 'it said nothing'}): correct that, and start again.`, { cause })
}
