import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commandLine } from '../../base/process.ts'
import type { PostgresAddress } from './base-backup.ts'
import { clusterName } from './leftover.ts'

/** Where the Postgres of that directory takes connections now, whoever runs it; undefined while it does not run. */
export async function runningPostgres(directory: string): Promise<PostgresAddress | undefined> {
  const cluster = join(directory, 'cluster')
  const [pid, , , port, , , , state] = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  if (!(Number(pid) > 1) || state?.trim() !== 'ready' || !(await commandLine(Number(pid))).includes(clusterName(cluster))) return undefined
  const password = (await readFile(join(directory, 'password'), 'utf8')).trim()
  return { host: '127.0.0.1', port: Number(port), user: 'postgres', password }
}
