import { access, constants, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'

/** A program that is no part of npm, and how it is installed. */
export interface Program { readonly command: string; readonly title: string; readonly debian: string; readonly macos: string }

/** Every program that some rig needs. */
export const programs = {
  pgbouncer: { command: 'pgbouncer', title: 'PgBouncer', debian: 'pgbouncer', macos: 'pgbouncer' },
  etcd: { command: 'etcd', title: 'etcd', debian: 'etcd-server', macos: 'etcd' },
  patroni: { command: 'patroni', title: 'Patroni', debian: 'patroni', macos: 'patroni' },
  postgresql: { command: 'pg_rewind', title: 'The full Postgres (with pg_rewind)', debian: 'postgresql', macos: 'postgresql' },
} as const satisfies Record<string, Program>

/** Servers are not for everybody to run: Debian keeps them where an ordinary PATH does not look. */
const beyondPath = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']
const postgresVersions = '/usr/lib/postgresql'

/** Its path, or undefined. */
export async function findProgram(program: Program): Promise<string | undefined> { return (await findPrograms(program))[0] }

/** Every path of it: what PATH says first, and of Debian's Postgres the newest version before older ones. */
export async function findPrograms({ command }: Program): Promise<string[]> {
  const versions = (await readdir(postgresVersions).catch(() => [])).toSorted((one, other) => Number(other) - Number(one)).map((version) => join(postgresVersions, version, 'bin'))
  const folders = [...(process.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/')), ...beyondPath, ...versions]
  const found = await Promise.all([...new Set(folders)].map((folder) => join(folder, command)).map(async (path) => await access(path, constants.X_OK).then(() => [path], () => [])))
  return found.flat()
}

/** Its path. Errors: `start`, with the lines that install it. */
export async function requireProgram(program: Program): Promise<string> {
  const path = await findProgram(program)
  if (path === undefined) throw failed('start', `${program.title} is not installed: run apt-get install --no-install-recommends ${program.debian} on Debian, or brew install ${program.macos} on macOS.`)
  return path
}
