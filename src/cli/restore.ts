import { readdir, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { failed, systemClock } from '../base/index.ts'
import { isThere } from '../base/private-files.ts'
import { findEngine, planRestore, readTarget, recover, restoreFiles, settle } from '../ops/index.ts'
import { openDataDirectory } from '../runtime/index.ts'
import { storeOf } from './backup-place.ts'
import type { LoneCommand } from './command.ts'
import { interruptedCode, interruptible } from './interrupt.ts'
import { progressLine, readableBytes } from './progress.ts'

export const restoreCommand: LoneCommand = {
  help: `tenfold restore --to TIME --directory DIR: the database as it was at that moment, in a data directory of its own.
Nothing that is there is ever touched: DIR is empty, or not there yet, or holds a restore that was killed. All that is fetched is
held against its checksums. It says up to which transaction it came. Then TENFOLD_DATA=DIR tenfold start runs it. A database of
an older Postgres is restored by that version's programs (Debian's postgresql-N), and upgraded by tenfold topology upgrade.

--to TIME        latest, or a moment with its zone, such as 2026-11-25T18:30:00Z
--directory DIR  where to
--from STORE     a folder, or s3://bucket/prefix (see tenfold backup --help); what the topology says (backup) unless told
--backup ID      begins with that backup; the newest that ended before TIME unless told
--timeline N     goes along that timeline; needed where a restored copy has run, so that the log went several ways
--json           the same for programs
`,
  options: { to: { type: 'string' }, from: { type: 'string' }, directory: { type: 'string' }, backup: { type: 'string' }, timeline: { type: 'string' }, json: { type: 'boolean' } },
  async runAlone({ values, ...given }) {
    const began = systemClock.monotonic()
    const { to, from, directory, backup, timeline: wanted } = values
    if (typeof to !== 'string') throw failed('usage', 'tenfold restore lacks --to: say latest, or a moment such as 2026-11-25T18:30:00Z.')
    if (typeof directory !== 'string' || directory === '') throw failed('usage', 'tenfold restore lacks --directory: say where the restored database shall be.')
    const timeline = wanted === undefined ? undefined : Number(wanted)
    if (timeline !== undefined && !(Number.isInteger(timeline) && timeline > 0)) throw failed('usage', `--timeline is ${JSON.stringify(wanted)}: use a whole number from 1.`)
    const target = readTarget(to, systemClock.now())
    const store = await storeOf(from, given, '--from')
    await refuseOther(resolve(directory))
    const plan = await planRestore(store, { target, timeline, backupId: typeof backup === 'string' ? backup : undefined })
    const place = await openDataDirectory(directory)
    const progress = progressLine('fetched')
    try {
      let bytes = 0
      const home = place.file('postgres')
      const reached = await interruptible(async (signal) => {
        // before the database is whole: killed now, it is all done again
        const files = await restoreFiles(store, place.file('files'), (more) => { progress.show(bytes += more) })
        const recovered = await recover({ plan, directory: home, signal, onStatus: progress.say, onBytes: (more) => { progress.show(bytes += more, plan.backup.storedBytes) } })
        await settle(recovered, home, plan.backup.database)
        return { ...recovered, files }
      })
      progress.end()
      if (!reached) return interruptedCode
      const { lastCommitAt, lsn, timeline: on, segments, files } = reached
      const seconds = (systemClock.monotonic() - began) / 1000
      if (values['json']) process.stdout.write(`${JSON.stringify({ directory: place.path, backup: plan.backup.id, to, lastCommitAt: lastCommitAt ?? null, lsn, timeline: on, segments, files, bytes, seconds }, null, 2)}\n`)
      else {
        process.stdout.write(`${place.path} holds the database up to ${lastCommitAt ? `the transaction of ${lastCommitAt}` : `the end of the backup, ${plan.backup.endedAt}`} (${lsn}), on timeline ${on}\n`)
        process.stdout.write(`from the backup ${plan.backup.id}, ${readableBytes(bytes)}, ${segments} segments of the log and ${files} uploaded files, in ${seconds.toFixed(1)} s\n`)
        const { major } = await findEngine()
        const isOther = Number.parseInt(plan.backup.postgres, 10) !== major
        process.stdout.write(`${isOther ? `bring it to Postgres ${major} by TENFOLD_DATA=${place.path} tenfold topology upgrade, and then ` : ''}run it by TENFOLD_DATA=${place.path} tenfold start. The secret is in no backup: without a copy of the file secret there, or of what the topology refers to, all are signed out\n`)
      }
      return 0
    } finally {
      progress.end()
      await place.release()
    }
  },
}

/** A restore that was killed may be done again; all else that is there stays. Errors: `backup`. */
async function refuseOther(directory: string): Promise<void> {
  const names: string[] = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw failed('backup', `${directory} cannot be restored into (${error.code}): use a directory that is empty, or not there yet.`, { cause: error })
  })
  const others = names.filter((name) => !(names.includes('version') && ['version', 'postgres', 'files'].includes(name)) && !name.startsWith('lock'))
  const cluster = join(directory, 'postgres', 'cluster')
  const isWhole = await isThere(cluster) && !await isThere(join(cluster, 'recovery.signal'))
  if (others.length === 0 && !isWhole) return
  throw failed('backup', `${await realpath(directory)} holds ${isWhole ? 'a database' : `other things (${others.slice(0, 3).join(', ')})`}, which a restore never touches: use a directory that is empty, or not there yet.`)
}
