import { hash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { commandLine, goneWithin, signalProcess } from '../../base/process.ts'

/** What a killed owner may leave behind: a Postgres that is just ending, or one that nobody ended. */

/** A fast shutdown writes out at most all of its buffers; a server that takes longer than this is told to go at once. */
const fastMs = 30_000
const atOnceMs = 5_000

/** Stands in the command line of a server and of each of its processes, so that they are told from other people's. */
export function clusterName(cluster: string): string {
  return `tenfold-${hash('sha256', cluster).slice(0, 16)}`
}

/**
 * Ends the server that still runs on that cluster, and waits until it is gone. A `postmaster.pid` whose number is now another
 * program's is removed: Postgres would take it for a rival. Call this only as the cluster's owner. Errors: `start`, when it won't end.
 */
export async function endLeftover(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0])
  if (!(pid > 1)) return
  const line = await commandLine(pid)
  if (line === '') return
  if (!isOf(cluster, line)) return await rm(file, { force: true })
  signalProcess(pid, 'SIGINT')
  if (await goneWithin(pid, fastMs)) return
  signalProcess(pid, 'SIGQUIT')
  if (!await goneWithin(pid, atOnceMs)) throw failed('start', `A Postgres from before (pid ${pid}) still runs on ${cluster} and does not end: end it by kill -9 ${pid}.`)
}

/** Ends processes of a server that itself was killed: those in the midst of a long statement do not notice. */
export async function endOrphans(cluster: string): Promise<void> {
  if (process.platform !== 'linux') return // elsewhere they have to be waited for
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  for (const pid of pids) if (isOf(cluster, await commandLine(pid))) signalProcess(pid, 'SIGQUIT')
}

function isOf(cluster: string, line: string): boolean {
  return /^\S*\bpostgres\b/.test(line) && line.includes(clusterName(cluster))
}

/**
 * Waits for a program from before to end, which its watcher has told it to, and ends it where it does not. Its number stands in that file, and
 * `mark` in its command line. Errors: `start`, when it won't end.
 */
export async function endBefore(pidFile: string, mark: string, patienceMs: number): Promise<void> {
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0])
  if (!(pid > 1) || !(await commandLine(pid)).includes(mark) || await goneWithin(pid, patienceMs)) return
  signalProcess(pid, 'SIGKILL')
  if (!await goneWithin(pid, atOnceMs)) throw failed('start', `A program from before (pid ${pid}) does not end: end it by kill -9 ${pid}.`)
}
