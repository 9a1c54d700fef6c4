import { runCommand, signalProcess } from '../../src/base/process.ts'

/** Stops a process and all that it started, as a machine that hangs does: nothing answers, and no connection breaks. The answer lets them go on. */
export async function freeze(...pids: readonly number[]): Promise<() => void> {
  const stopped: number[] = []
  // A parent first: it starts nobody any more when its children are looked for.
  for (let next = [...pids]; next.length > 0; next = await childrenOf(next)) {
    for (const pid of next) signalProcess(pid, 'SIGSTOP')
    stopped.push(...next)
  }
  return () => { for (const pid of stopped) signalProcess(pid, 'SIGCONT') }
}

async function childrenOf(parents: readonly number[]): Promise<number[]> {
  const { output } = await runCommand('ps', ['-axo', 'pid=,ppid='])
  const rows = output.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  return rows.flatMap(([pid = 0, parent = 0]) => parents.includes(parent) ? [pid] : [])
}
