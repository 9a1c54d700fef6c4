import { access, constants } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { runCommand } from '../../base/process.ts'
import { findPrograms, programs, requireProgram } from './programs.ts'

/** An installation of Postgres with all of its programs. The one that npm brings has no `pg_rewind` and no `pg_basebackup`. */
export interface FullPostgres { readonly bin: string; readonly major: number }

/** What a failover manager calls. */
const needed = ['postgres', 'initdb', 'pg_basebackup', 'pg_rewind', 'pg_controldata', 'pg_isready', 'psql']
/** What the platform relies on is tested from this version on. */
const oldest = 15

/** The newest that is complete; or the one that made a database, by its major version. Errors: `start`, with what to install. */
export async function findFullPostgres(made?: number): Promise<FullPostgres> {
  await requireProgram(programs.postgresql)
  const found: FullPostgres[] = []
  for (const path of await findPrograms(programs.postgresql)) {
    const bin = dirname(path)
    const isComplete = (await Promise.all(needed.map((name) => access(join(bin, name), constants.X_OK).then(() => true, () => false)))).every(Boolean)
    const major = Number(/\d+/.exec((await runCommand(join(bin, 'postgres'), ['--version'])).output)?.[0] ?? 0)
    if (isComplete && major >= oldest) found.push({ bin, major })
  }
  const [newest] = found
  if (!newest) throw failed('start', `There is no full Postgres of version ${oldest} or newer here: run apt-get install --no-install-recommends ${programs.postgresql.debian} on Debian, or brew install ${programs.postgresql.macos} on macOS.`)
  const wanted = made === undefined ? newest : found.find(({ major }) => major === made)
  if (!wanted) throw failed('start', `The cluster here was made by Postgres ${made}, and installed is ${found.map(({ major }) => major).join(' and ')}: install version ${made} beside it, or dump the rows and begin anew in another directory (TENFOLD_DATA).`)
  return wanted
}
