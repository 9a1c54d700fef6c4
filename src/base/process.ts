import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { systemClock } from './clock.ts'

/**
 * Processes of this machine, told apart by more than their number: a number is given out again, the moment of its start is not.
 * Linux says it all in `/proc`; elsewhere `ps` is asked.
 */

/** Runs as this user and group, by number. Undefined: as we are. */
export interface SystemUser { readonly uid: number; readonly gid: number }

/** What a program's output does not depend on. Nothing of ours is in it: no secrets, no NODE_OPTIONS. */
export const plainEnvironment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** How a command ended. `code` is undefined when a signal ended it or it could not be run; `errors` is what it wrote to stderr. */
export interface Ran { readonly code: number | undefined; readonly output: string; readonly errors: string }

/** Runs a command to its end, without a shell. It never throws: what could not be run has no code, and says why in `errors`. */
export function runCommand(command: string, args: readonly string[], options: { user?: SystemUser | undefined; cwd?: string } = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd: options.cwd ?? '/', ...options.user, env: plainEnvironment }, (error, output, errors) => {
      if (!error) resolve({ code: 0, output, errors })
      else resolve({ code: typeof error.code === 'number' ? error.code : undefined, output, errors: errors || error.message })
    })
  })
}

/** An opaque text that no other process of that number ever has, or undefined when there is none alive. A zombie is dead. */
export async function processStamp(pid: number): Promise<string | undefined> {
  if (!(pid > 0)) return undefined
  if (process.platform !== 'linux') {
    const { output } = await runCommand('ps', ['-o', 'stat=,lstart=', '-p', String(pid)])
    return /^\s*$|^\s*Z/.test(output) ? undefined : output.trim().replace(/^\S+\s+/, '')
  }
  try {
    const [stat, boot] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')])
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // the name before it may hold anything
    return 'ZX'.includes(fields[0] ?? 'X') ? undefined : `${boot.trim()}:${fields[19]}`
  } catch {
    return mayBeAlive(pid) ? 'hidden' : undefined
  }
}

/** Where `/proc` hides the processes of others, the kernel still says whether there is one. */
export function mayBeAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The command line of a process, its words parted by spaces; empty when there is no such process. */
export async function commandLine(pid: number): Promise<string> {
  if (process.platform !== 'linux') return (await runCommand('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).output.trim()
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim()
}

/** Sends a signal; a process that is gone already is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Asks until the answer is not undefined, and gives it; undefined when `timeoutMs` pass first. Keeps the process alive meanwhile. */
export async function waitFor<T>(ask: () => Promise<T | undefined> | T | undefined, options: { timeoutMs: number; everyMs?: number }): Promise<T | undefined> {
  const until = systemClock.monotonic() + options.timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined || systemClock.monotonic() >= until) return answer
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 10))
  }
}

/** Whether the process is gone, or becomes so within `timeoutMs`. */
export async function goneWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const stamp = await processStamp(pid)
  if (stamp === undefined) return true
  return await waitFor(async () => await processStamp(pid) === stamp ? undefined : true, { timeoutMs }) === true
}
