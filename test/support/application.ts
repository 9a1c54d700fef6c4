/** An application in a folder of its own, as a team has one, with this checkout as its tenfold. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { runCommand } from '../../src/base/process.ts'

export const checkout = join(import.meta.dirname, '../..')
export const tenfoldMain = join(checkout, 'src/cli/main.js')

/** An empty folder that goes when the test ends. */
export async function temporaryFolder(context: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tenfold-application-')))
  context.after(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  return folder
}

/** What `npm install` does for a dependency on a folder: a link, which Node follows to the sources. */
export async function linkTenfold(folder: string): Promise<void> {
  await mkdir(join(folder, 'node_modules'), { recursive: true })
  await symlink(checkout, join(folder, 'node_modules/tenfold'))
}

export async function applicationFolder(context: Pick<TestContext, 'after'>, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder(context)
  await linkTenfold(folder)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

/** `tenfold ARGS` in that folder, to its end. */
export async function tenfoldIn(folder: string, args: readonly string[]) {
  const { code, output, errors } = await runCommand(process.execPath, ['--conditions=tenfold:src', tenfoldMain, ...args], { cwd: folder })
  return { code, output, errors: errors.replace(/^Command failed: .*\n/, '') } // what Node says of a command that failed and said nothing itself
}
