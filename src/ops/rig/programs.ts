import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../../base/errors.ts'

/** A program that is no part of npm, and how it is installed. */
export interface Program { readonly command: string; readonly title: string; readonly debian: string; readonly macos: string }

/** Every program that some rig needs. */
export const programs = {
  pgbouncer: { command: 'pgbouncer', title: 'PgBouncer', debian: 'pgbouncer', macos: 'pgbouncer' },
} as const satisfies Record<string, Program>

/** Servers are not for everybody to run: Debian keeps them where an ordinary PATH does not look. */
const beyondPath = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']

/** Its path, or undefined. */
export async function findProgram({ command }: Program): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/')), ...beyondPath]
  for (const folder of folders) {
    const path = join(folder, command)
    if (await access(path, constants.X_OK).then(() => true, () => false)) return path
  }
  return undefined
}

/** Its path. Errors: `start`, with the lines that install it. */
export async function requireProgram(program: Program): Promise<string> {
  const path = await findProgram(program)
  if (path === undefined) throw failed('start', `${program.title} is not installed: run apt-get install --no-install-recommends ${program.debian} on Debian, or brew install ${program.macos} on macOS.`)
  return path
}
