import { hash, randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { createFile, isMissing, replaceFile } from './private-files.ts'
import { processStamp } from './process.ts'

/**
 * A lock that a process holds by a file with its number and the moment of its start. One that a killed process left behind is
 * recognised and replaced; of many that try at once exactly one gets it.
 *
 * Replacing is the hard part: between reading a dead owner's lock and replacing it, somebody else may have done so. So one first
 * takes a second lock, of the same kind, named after the very content that is to be replaced, and then looks again. Each content
 * is written once only, hence whoever holds that second lock and still finds the content is alone in replacing it.
 */
export interface ProcessLock {
  /** Gives the lock back; may be called twice. */
  release(): Promise<void>
}

/** The lock, or the number of the living process that has it: of this one too. Throws what the file system refuses. */
export async function lockFile(path: string): Promise<ProcessLock | { readonly ownerPid: number }> {
  const content = JSON.stringify({ pid: process.pid, startedAt: await processStamp(process.pid), nonce: randomBytes(8).toString('hex') })
  const lock: ProcessLock = { release: () => release(path, content) }
  for (;;) {
    if (await createFile(path, content)) return lock
    const known = await read(path)
    if (known === undefined) continue // released meanwhile
    const ownerPid = await livingOwner(known)
    if (ownerPid !== undefined) return { ownerPid }
    const claim = await lockFile(`${path}.${hash('sha256', known).slice(0, 16)}`)
    if ('ownerPid' in claim) return claim // it is just replacing the dead owner's lock
    try {
      if (await read(path) !== known) continue
      await replaceFile(path, content)
      return lock
    } finally {
      await claim.release()
    }
  }
}

/** The number of the living process that has the lock of that file; undefined when nobody has. */
export async function lockOwner(path: string): Promise<number | undefined> {
  const known = await read(path)
  return known === undefined ? undefined : await livingOwner(known)
}

/** The number of the living process that wrote this lock. What can't be read was torn by a power cut: nobody's. */
async function livingOwner(content: string): Promise<number | undefined> {
  try {
    const { pid, startedAt } = JSON.parse(content) as { pid: number; startedAt: string }
    const stamp = await processStamp(pid)
    return stamp !== undefined && (stamp === startedAt || stamp === 'hidden') ? pid : undefined
  } catch {
    return undefined
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function release(path: string, content: string): Promise<void> {
  if (await read(path) === content) await rm(path, { force: true })
}
