import { readFile } from 'node:fs/promises'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type AnyNode, type Identifier, type Literal, parse, type Program } from 'acorn'
import { emptyScope, enclosed, hoist, namesIn, propertyOf, type Scope, valueOf } from './scope.ts'

/**
 * What files that nobody runs would call. They are parsed as Node would: types are taken out, and with them what is imported for types
 * alone. A name stands for what it is imported from: a loaded file says it by itself, another one is read in the same way. Nothing else
 * is worked out: what a function answers, or a parameter is given, stands for nothing.
 */
export interface SourceFile {
  /** The values of what is called in it, in the order of the text. */
  readonly called: readonly unknown[]
  readonly unreadable: string | undefined
}

/** `exports` says what they stand for, as far as that is known by now; `imported` gives the exports of others, by specifier. */
interface Linked { readonly tree: Program | undefined; readonly exports: Record<string, unknown>; readonly imported: Map<string, object>; unreadable: string | undefined }

/** Reads the files at these URLs, and those that they import and that are not loaded. */
export async function readSources(urls: readonly string[], loaded: ReadonlySet<string>): Promise<SourceFile[]> {
  const files = new Map<string, Linked>()

  async function link(url: string): Promise<Linked> {
    const known = files.get(url)
    if (known) return known
    const file: Linked = { ...await parsed(url), exports: {}, imported: new Map() }
    files.set(url, file) // before what it imports: that may import it
    for (const specifier of file.tree ? specifiersIn(file.tree) : []) file.imported.set(specifier, await namespaceOf(specifier, url))
    return file
  }

  async function namespaceOf(specifier: string, from: string): Promise<object> {
    const target = resolveFrom(specifier, from)
    if (target === undefined) return {}
    if (loaded.has(target)) return await import(target) as object // loaded already: nothing is run
    return /^[.#/]/.test(specifier) && /\.m?[tj]s$/.test(target) ? (await link(target)).exports : {}
  }

  const asked: Linked[] = []
  for (const url of urls) asked.push(await link(url))
  // Files may import each other in a circle: what one says is known when nothing is added any more.
  for (let [known, before] = [0, -1]; known > before;) {
    before = known
    for (const file of files.values()) exportAll(file)
    known = [...files.values()].flatMap(({ exports }) => Object.values(exports)).filter((value) => value !== undefined).length
  }
  return asked.map((file) => ({ called: file.tree ? callsIn(file.tree, scopeOf(file)) : [], unreadable: file.unreadable }))
}

async function parsed(url: string): Promise<Pick<Linked, 'tree' | 'unreadable'>> {
  try {
    const text = await readFile(fileURLToPath(url), 'utf8')
    return { tree: parse(/\.m?ts$/.test(url) ? withoutTypes(text) : text, { ecmaVersion: 'latest', sourceType: 'module', allowReturnOutsideFunction: true }), unreadable: undefined }
  } catch (error) {
    return { tree: undefined, unreadable: (error as Error).message.split('\n')[0] }
  }
}

/** By Node itself, which warns of calling that an experiment; running TypeScript is none. */
function withoutTypes(text: string): string {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(text)
  } finally {
    process.emitWarning = emitWarning
  }
}

function resolveFrom(specifier: string, from: string): string | undefined {
  if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, from).href
  try {
    return pathToFileURL(createRequire(fileURLToPath(from)).resolve(specifier)).href
  } catch { return undefined } // nothing that this application has
}

/** Every node in the order of the text, with the scope inside it. No recursion: a bundled file may be nested deeper than a stack. */
function* nodesIn(tree: AnyNode, outer: Scope): Generator<readonly [AnyNode, Scope]> {
  const waiting: [AnyNode, Scope][] = [[tree, outer]]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [node, scope] = [next[0], enclosed(next[0], next[1])]
    yield [node, scope]
    const children = Object.values(node).flat().filter((child): child is AnyNode => typeof child?.type === 'string')
    waiting.push(...children.toReversed().map((child): [AnyNode, Scope] => [child, scope]))
  }
}

function specifiersIn(tree: Program): string[] {
  return [...nodesIn(tree, emptyScope())].flatMap(([node]) => 'source' in node && node.source?.type === 'Literal' && typeof node.source.value === 'string' ? [node.source.value] : [])
}

function callsIn(tree: Program, scope: Scope): unknown[] {
  return [...nodesIn(tree, scope)].flatMap(([node, within]) => node.type === 'CallExpression' ? [valueOf(node.callee, within)] : [])
}

function scopeOf({ tree, imported }: Linked): Scope {
  const scope = emptyScope(imported)
  if (tree) hoist(tree.body, scope)
  return scope
}

function exportAll(file: Linked): void {
  const { exports, imported } = file
  const scope = scopeOf(file)
  const isStar = ({ type }: AnyNode) => type === 'ExportAllDeclaration'
  for (const statement of file.tree?.body.toSorted((one, other) => Number(isStar(other)) - Number(isStar(one))) ?? []) { // what a file exports itself hides what comes through a star
    const from = 'source' in statement && statement.source ? imported.get(String(statement.source.value)) : undefined
    if (statement.type === 'ExportAllDeclaration') {
      if (statement.exported) exports[nameOf(statement.exported)] = from
      else for (const name of Object.keys(from ?? {})) if (name !== 'default') exports[name] = propertyOf(from, name)
    }
    if (statement.type === 'ExportDefaultDeclaration') exports['default'] = valueOf(statement.declaration, scope)
    if (statement.type !== 'ExportNamedDeclaration') continue
    for (const { local, exported } of statement.specifiers) exports[nameOf(exported)] = from ? propertyOf(from, nameOf(local)) : scope.names.get(nameOf(local))
    if (statement.declaration) for (const name of namesIn(statement.declaration)) exports[name] = scope.names.get(name)
  }
}

const nameOf = (name: Identifier | Literal) => name.type === 'Identifier' ? name.name : String(name.value)
