/**
 * What a rule sees of a file. Rules are pure functions over these, so that a test feeds them small strings.
 * The syntax tree is TypeScript's own. Its API is still called unstable: this is the only file that calls it, and the only one to
 * mend when it changes. One native process parses the whole tree, from memory, in some 100 ms.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Node, SourceFile } from 'typescript/unstable/ast'
import {
  isNoSubstitutionTemplateLiteral, isRegularExpressionLiteral, isStringLiteral, isTemplateHead, isTemplateMiddle, isTemplateTail,
} from 'typescript/unstable/ast/is'
import { createVirtualFileSystem } from 'typescript/unstable/fs'
import { API } from 'typescript/unstable/sync'

export interface File { readonly path: string; readonly text: string }

export interface Source extends File {
  readonly tree: SourceFile | undefined
  /** Every node of the tree, parents first; none if it is no TypeScript. */
  readonly nodes: readonly Node[]
  readonly comments: readonly Comment[]
}

export interface Comment { readonly text: string; readonly firstLine: number; readonly lastLine: number }

/** `measure` is the size that is over a limit: a ratchet holds it. Faults without one are counted. */
export interface Fault { readonly path: string; readonly line: number; readonly message: string; readonly measure?: number }

export interface Rule { readonly name: string; readonly says: string; readonly check: (sources: readonly Source[]) => Fault[] }

const isTypeScript = (path: string) => path.endsWith('.ts')

export const isTest = (path: string) => path.endsWith('.test.ts') || path.startsWith('test/')

export function lineOf(source: Source, node: Node): number {
  return lineAt(source.text, node.getStart(source.tree))
}

export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}

export function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** A rule that looks at one file at a time. */
export function perFile(concerns: (path: string) => boolean, check: (source: Source) => Fault[]): Rule['check'] {
  return (sources) => sources.filter(({ path }) => concerns(path)).flatMap(check)
}

/** The files under these folders, with the text of those that rules read. */
export function readTree(root: string, folders: readonly string[], alsoRead: readonly string[]): File[] {
  const list = (path: string): string[] => readdirSync(`${root}/${path}`, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || entry.name === 'node_modules' || entry.name === 'dist') return []
    return entry.isDirectory() ? list(`${path}/${entry.name}`) : [`${path}/${entry.name}`]
  })
  const present = new Set(readdirSync(root))
  const paths = [...folders.filter((folder) => present.has(folder)).flatMap(list), ...alsoRead.filter((path) => present.has(path))]
  return paths.toSorted().map((path) => ({ path, text: /\.(ts|md|json)$/.test(path) ? readFileSync(`${root}/${path}`, 'utf8') : '' }))
}

export function parse(files: readonly File[]): Source[] {
  const scripts = files.filter(({ path }) => isTypeScript(path))
  const project = { compilerOptions: { noLib: true, noResolve: true, types: [] }, files: scripts.map(({ path }) => path) }
  const held = Object.fromEntries(scripts.map(({ path, text }) => [`/tree/${path}`, text]))
  const api = new API({ cwd: '/tree', fs: createVirtualFileSystem({ ...held, '/tree/tsconfig.json': JSON.stringify(project) }) })
  try {
    const program = api.updateSnapshot({ openProjects: ['/tree/tsconfig.json'] }).getProjects()[0]?.program
    return files.map((file) => {
      const tree = isTypeScript(file.path) ? program?.getSourceFile(`/tree/${file.path}`) : undefined
      const nodes = tree ? flatten(tree) : []
      return { ...file, tree, nodes, comments: tree ? commentsOf(file.text, tree, nodes) : [] }
    })
  } finally {
    api.close()
  }
}

function flatten(root: Node): Node[] {
  const nodes: Node[] = []
  const visit = (node: Node): void => { nodes.push(node); node.forEachChild(visit) }
  visit(root)
  return nodes
}

/** Comments are in no tree. With all literals blanked out, whatever looks like a comment is one. */
function commentsOf(text: string, tree: SourceFile, nodes: readonly Node[]): Comment[] {
  let code = ''
  for (const node of nodes.filter(isLiteral).toSorted((one, other) => one.pos - other.pos)) {
    const start = node.getStart(tree)
    code += text.slice(code.length, start) + text.slice(start, node.end).replaceAll(/[^\n]/g, ' ')
  }
  code += text.slice(code.length)
  return [...code.matchAll(/\/\/.*|\/\*[^]*?\*\//g)].map((match) => {
    const firstLine = lineAt(text, match.index)
    return { text: match[0], firstLine, lastLine: firstLine + lineCount(match[0]) - 1 }
  })
}

function isLiteral(node: Node): boolean {
  return isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node) || isTemplateHead(node) || isTemplateMiddle(node) || isTemplateTail(node)
    || isRegularExpressionLiteral(node)
}
