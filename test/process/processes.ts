/** Who works on a data directory: found by the command line, in which the sandbox has its path and Postgres the name of its cluster. */
import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { commandLine, processStamp, runCommand, signalProcess, waitFor } from '../../src/base/process.ts'
import { clusterName } from '../../src/ops/rig/leftover.ts'

export interface Found { readonly pid: number; readonly line: string }

/** Postgres with its children and its watcher, what a rig runs, and the sandbox; of a shop that started them or of one that is gone. */
export async function processesOf(directory: string): Promise<Found[]> {
  const place = await realpath(directory).catch(() => directory)
  const rig = join(place, 'rig')
  const marks = [join(place, 'sandbox'), clusterName(join(place, 'postgres', 'cluster')), join(rig, 'topology.json'), ...['replica-1', 'replica-2'].map((name) => clusterName(join(rig, name, 'postgres', 'cluster'))), clusterName(join(rig, 'pooler')), clusterName(rig), clusterName(join(rig, 'etcd'))]
  const alive = (await everyone()).filter(({ line }) => marks.some((mark) => line.includes(mark)))
  const stamps = await Promise.all(alive.map(({ pid }) => processStamp(pid)))
  return alive.filter((_, index) => stamps[index] !== undefined)
}

/** The server itself, whose death takes all of Postgres with it. */
export async function postmasterOf(directory: string): Promise<number> {
  const found = (await processesOf(directory)).find(({ line }) => /^\S*\/postgres -D /.test(line))
  if (!found) throw new Error(`No Postgres works in ${directory}.`)
  return found.pid
}

/** What a killed shop leaves ends by itself; what does not is ended here, so that no test leaves anything running. */
export async function endProcessesOf(directory: string): Promise<void> {
  const gone = await waitFor(async () => (await processesOf(directory)).length === 0 || undefined, { timeoutMs: 10_000, everyMs: 50 })
  if (!gone) for (const { pid } of await processesOf(directory)) signalProcess(pid, 'SIGKILL')
}

async function everyone(): Promise<Found[]> {
  if (process.platform !== 'linux') {
    const { output } = await runCommand('ps', ['-axww', '-o', 'pid=,command='])
    return output.split('\n').flatMap((line) => { const [, pid, command] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? []; return pid && command ? [{ pid: Number(pid), line: command }] : [] })
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  return await Promise.all(pids.map(async (pid) => ({ pid, line: await commandLine(pid) })))
}
