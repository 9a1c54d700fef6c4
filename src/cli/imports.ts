import { glob, readFile } from 'node:fs/promises'
import { createRequire, registerHooks } from 'node:module'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * Which files an application has and never imports. What was imported is what Node loaded, told by a hook that stands before the
 * configuration is loaded. The other files are read, not run: running one could start anything. They are read by patterns,
 * not parsed: what an import of theirs stands for is asked of the loaded file that it names.
 */
const loaded = new Set<string>()

/** From now on every file that Node loads is noted. */
export function noteImports(): void {
  registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context) } })
}

/** Files of an application's folder that nobody imported, and what they would have defined: `orders.query`, or a whole module. */
export interface NeverImported { readonly file: string; readonly defines: readonly string[]; readonly makesModule: boolean }

const verbs = 'query|command|lookup|action|event|on|job|projection|dependency'

/** @param isModule whether a value is a module of the application, and then its name */
export async function neverImported(folder: string, isModule: (value: unknown) => string | undefined): Promise<NeverImported[]> {
  const found: NeverImported[] = []
  const isLeftOut = (path: string) => /^(node_modules|dist|\..+)$/.test(basename(path))
  for await (const file of glob('**/*.{ts,mts,js,mjs}', { cwd: folder, exclude: isLeftOut })) {
    const url = pathToFileURL(join(folder, file)).href
    if (loaded.has(url) || /\.(test|d)\.\w+$/.test(file)) continue
    const text = withoutComments(await readFile(join(folder, file), 'utf8'))
    const defines = (await Promise.all(importsOf(text).map((one) => definedThrough(one, url, text, isModule)))).flat()
    const makesModule = importsOf(text).some(({ specifier }) => specifier === 'tenfold') && /\bdefineModule\s*[<(]/.test(text)
    if (defines.length > 0 || makesModule) found.push({ file, defines: [...new Set(defines)], makesModule })
  }
  return found.toSorted((one, other) => one.file < other.file ? -1 : 1)
}

interface Import { readonly clause: string; readonly specifier: string }

function importsOf(text: string): Import[] {
  return [...text.matchAll(/\bimport\s+(?!type\b)([^'";]+?)\s+from\s*(['"])([^'"\n]+)\2/g)].map(([, clause = '', , specifier = '']) => ({ clause, specifier }))
}

async function definedThrough({ clause, specifier }: Import, from: string, text: string, isModule: (value: unknown) => string | undefined): Promise<string[]> {
  const target = resolveFrom(specifier, from)
  if (target === undefined || !loaded.has(target)) return []
  const exported = await import(target) as Record<string, unknown> // loaded already: nothing is run
  return namesIn(clause, exported).flatMap(([local, value]) => {
    const module = isModule(value)
    if (module === undefined) return []
    return [...text.matchAll(new RegExp(String.raw`(?<![\w.$])${local}\s*\.\s*(${verbs})\s*[(<]`, 'g'))].map((match) => `${module}.${match[1]}`)
  })
}

function resolveFrom(specifier: string, from: string): string | undefined {
  if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, from).href
  try {
    const path = createRequire(fileURLToPath(from)).resolve(specifier)
    return pathToFileURL(path).href
  } catch { return undefined } // nothing that this application has loaded
}

/** What a clause such as `one, { two as three }` or `* as all` binds: a pattern for each name in the text, and its value. */
function namesIn(clause: string, exported: Record<string, unknown>): [string, unknown][] {
  const all = /\*\s+as\s+([\w$]+)/.exec(clause)?.[1]
  const inBraces = (/\{([^}]*)\}/.exec(clause)?.[1] ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '' && !part.startsWith('type '))
  const single = /^([\w$]+)/.exec(clause)?.[1]
  return [
    ...(all ? Object.entries(exported).map(([name, value]): [string, unknown] => [String.raw`${all}\s*\.\s*${name}`, value]) : []),
    ...inBraces.map((part): [string, unknown] => { const [name = '', local = name] = part.split(/\s+as\s+/); return [local.replaceAll('$', String.raw`\$`), exported[name]] }),
    ...(single ? [[single, exported['default']] as [string, unknown]] : []),
  ]
}

/** Comments become a space; strings are kept, so that what looks like a comment in one is none. */
function withoutComments(text: string): string {
  return text.replaceAll(/("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`)|\/\/[^\n]*|\/\*[^]*?\*\//g, (_whole, kept: string | undefined) => kept ?? ' ')
}
