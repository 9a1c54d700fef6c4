import { join } from 'node:path'
import { failed } from '../../../base/errors.ts'
import { removeDirectory, replaceFile } from '../../../base/private-files.ts'
import { waitFor } from '../../../base/process.ts'
import type { Component } from '../component.ts'
import { clusterName, endBefore } from '../leftover.ts'
import { programs, requireProgram } from '../programs.ts'
import { supervise } from '../supervise.ts'
import { homeOf } from '../home.ts'
import { ordinaryUser } from '../unprivileged.ts'

const [readyMs, leaveMs] = [15_000, 10_000]

/**
 * The place where the members of a cluster agree on who leads. One, where production has three on three machines: here all of them would
 * go down with the same machine. While it is gone, who leads goes on leading (`failsafe_mode`), and there is no failover.
 */
export function etcdComponent(name: string): Component {
  return {
    name, role: 'coordinator', needs: [],
    async check() { await requireProgram(programs.etcd) },
    async prepare(place) { await homeOf(place.directory, ordinaryUser()) },
    async start(place) {
      const [program, user, mark] = [await requireProgram(programs.etcd), ordinaryUser(), clusterName(place.directory)]
      await endEtcdBefore(place.directory)
      const [port, peerPort] = [await place.port(), await place.port('peer')]
      const running = supervise(program, etcdArguments(mark, port, peerPort), { directory: place.directory, user, lastSignal: 'TERM', onOutput: place.log })
      await replaceFile(pidFile(place.directory), `${running.pid}\n`)
      let gone: string | undefined
      const ended = running.ended.then(({ log }) => gone = log)
      const ready = await waitFor(async () => gone !== undefined || place.signal.aborted || await isHealthy(port) || undefined, { timeoutMs: readyMs, everyMs: 20 })
      if (gone !== undefined || place.signal.aborted || !ready) {
        running.signal('SIGKILL')
        await ended
        throw failed('start', `etcd did not start: see its log by tenfold logs ${name}.`)
      }
      return { address: `127.0.0.1:${port}`, pid: running.pid as number, ended, async stop() { running.signal('SIGTERM'); await ended } }
    },
    async destroy(directory) {
      await endEtcdBefore(directory)
      await removeDirectory(directory)
    },
  }
}

const pidFile = (directory: string) => join(directory, 'pid')

/** Ends what a killed rig left there. Errors: `start`. */
async function endEtcdBefore(directory: string): Promise<void> { await endBefore(pidFile(directory), clusterName(directory), leaveMs) }

/** Its name marks it among other people's. Old revisions are dropped: a lease that is renewed each second would fill it (2 GB) in some weeks. */
export function etcdArguments(mark: string, port: number, peerPort: number): string[] {
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`]
  return [
    '--name', mark, '--data-dir', 'etcd', '--listen-client-urls', client, '--advertise-client-urls', client,
    '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `${mark}=${peer}`,
    '--auto-compaction-mode', 'periodic', '--auto-compaction-retention', '10m', '--log-level', 'warn',
  ]
}

async function isHealthy(port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2_000) }).then(async (answer) => answer.ok && (await answer.json() as { health?: string }).health === 'true', () => false)
}
