import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { lockFile } from '../../base/process-lock.ts'
import { waitFor } from '../../base/process.ts'

/** Longer than any making takes that still goes on. */
const patienceMs = 120_000

/**
 * Makes a directory that all processes of this machine share: one makes it, aside, and the others wait; it has its name once it is whole.
 * What a killed maker left, and a directory that is whole no longer, is removed. Errors: those of `fill`, and `start` when another takes too long.
 */
export async function makeOnce(place: string, isWhole: () => Promise<boolean>, fill: (draft: string) => Promise<void>): Promise<void> {
  const made = await waitFor(async () => {
    if (await isWhole()) return true
    const lock = await lockFile(`${place}.lock`)
    if ('ownerPid' in lock) return undefined
    try {
      if (!await isWhole()) await make(place, fill)
      return true
    } finally {
      await lock.release()
    }
  }, { timeoutMs: patienceMs, everyMs: 20 })
  if (!made) throw failed('start', `Another process has been making ${place} for two minutes: end it, or remove ${place}.lock.`)
}

async function make(place: string, fill: (draft: string) => Promise<void>): Promise<void> {
  const prefix = `${basename(place)}-new-`
  for (const name of await readdir(dirname(place))) {
    if (name.startsWith(prefix)) await rm(join(dirname(place), name), { recursive: true, force: true })
  }
  const draft = await mkdtemp(join(dirname(place), prefix))
  try {
    await fill(draft)
    await rm(place, { recursive: true, force: true })
    await rename(draft, place)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
}
