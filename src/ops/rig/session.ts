import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { replaceFile } from '../../base/private-files.ts'
import { goneWithin, signalProcess } from '../../base/process.ts'
import { lockFile, lockOwner } from '../../base/process-lock.ts'
import type { ComponentStatus } from './keeper.ts'

/** What one process says of the rig that it runs, for others: `ps`, `down`, a second `up`. */
export interface RigState {
  readonly stage: number
  readonly highlyAvailable: boolean
  /** Of the application; unknown until it has first been written down. */
  readonly ports?: { readonly web: number; readonly ops: number }
  readonly components: readonly ComponentStatus[]
}

export interface RigSession {
  /** Written down, for others; the last of several that come at once. */
  say(state: RigState): void
  release(): Promise<void>
}

/** Takes a rig's directory for this process; or answers who has it. What a killed process left is cleared. */
export async function openSession(directory: string): Promise<RigSession | { readonly ownerPid: number }> {
  await mkdir(directory, { recursive: true, mode: 0o711 })
  const lock = await lockFile(join(directory, 'lock'))
  if ('ownerPid' in lock) return lock
  let [wanted, writing]: [RigState | undefined, Promise<void> | undefined] = [undefined, undefined]
  const write = async () => {
    for (let state = wanted; state; state = wanted) {
      wanted = undefined
      await replaceFile(join(directory, 'state.json'), `${JSON.stringify(state, null, 2)}\n`).catch(() => { /* a full disk: others see what was */ })
    }
    writing = undefined
  }
  return {
    say(state) { wanted = state; writing ??= write() },
    async release() { await writing; await lock.release() },
  }
}

/** The rig of that directory as its process says it, and that process's number; none: it is not up, and what it ran ended with it. */
export async function readSession(directory: string): Promise<{ readonly ownerPid: number; readonly state: RigState } | undefined> {
  const ownerPid = await lockOwner(join(directory, 'lock'))
  if (ownerPid === undefined) return undefined
  const text = await readFile(join(directory, 'state.json'), 'utf8').catch(() => '{"stage":0,"highlyAvailable":false,"components":[]}') // it has only just begun
  return { ownerPid, state: JSON.parse(text) as RigState }
}

/** An application may take its time to drain, and Postgres to write out what it has. */
const endMs = 90_000

/** Has the rig of that directory stopped by its process, and waits. Answers whether it was up. Errors: `start`, where it does not end. */
export async function endSession(directory: string): Promise<boolean> {
  const session = await readSession(directory)
  if (!session) return false
  signalProcess(session.ownerPid, 'SIGTERM')
  if (!await goneWithin(session.ownerPid, endMs)) throw failed('start', `The rig (pid ${session.ownerPid}) does not end: end it by kill -9 ${session.ownerPid}, and its programs end with it.`)
  return true
}
