import { hash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { failed } from '../base/errors.ts'
import { isMissing } from '../base/private-files.ts'
import { runCommand } from '../base/process.ts'
import { findEngine } from '../ops/rig/binaries.ts'
import { createCluster, keepPassword, openHome } from '../ops/rig/cluster.ts'
import { makeOnce } from '../ops/rig/make-once.ts'
import { isOursAlone } from '../ops/rig/unprivileged.ts'

/**
 * A database that nothing was ever done to: made once on this machine by `initdb`, which takes a second, and copied from then on,
 * which takes a tenth of one. Kept for each version of Postgres and of the function that makes it.
 */
export async function templateDirectory(): Promise<string> {
  const { version } = await findEngine()
  const place = join(tmpdir(), `tenfold-template-${version}-${hash('sha256', String(createCluster)).slice(0, 8)}-${process.getuid?.()}`)
  await makeOnce(place, () => isWhole(place), async (draft) => {
    const home = await openHome(draft)
    await createCluster(home, await keepPassword(home, undefined, { change: false }))
    await home.release()
  })
  return place
}

/** Copies the template: the same cluster, with the same password, as often as wanted. */
export async function copyTemplate(template: string, directories: readonly string[]): Promise<void> {
  await Promise.all(directories.map(async (directory) => {
    const { code, errors } = await runCommand('cp', ['-pR', template, directory])
    if (code !== 0) throw failed('start', `The test server's files could not be copied to ${directory} (${errors.trim().split('\n')[0]}): see whether the disk is full.`)
  }))
}

async function isWhole(place: string): Promise<boolean> {
  try {
    await stat(join(place, 'cluster', 'PG_VERSION'))
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
  if (await isOursAlone(place)) return true
  throw failed('start', `${place}, the template of the test server, belongs to somebody else: remove it.`)
}
