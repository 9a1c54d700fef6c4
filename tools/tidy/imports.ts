/** Which file may import which. */
import { dirname, join } from 'node:path/posix'
import { SyntaxKind, type Node } from 'typescript/unstable/ast'
import { isCallExpression, isExportDeclaration, isImportDeclaration, isImportTypeNode, isLiteralTypeNode, isStringLiteral } from 'typescript/unstable/ast/is'
import { type Fault, isTest, lineOf, perFile, type Rule, type Source } from './source.ts'

export interface Import { readonly specifier: string; readonly line: number; readonly typeOnly: boolean }

/** A folder that tiers before it may import all the same. It may then import only what comes before the first of them, and folders that are as open. */
export interface OpenFolder { readonly folder: string; readonly to: readonly string[] }

export interface Tiers {
  /** Names of folders, or of files, in `src/`: each imports only those before it. */
  readonly order: readonly string[]
  /** Their files may be imported one by one, past `index.ts`. */
  readonly withoutDoor: readonly string[]
  /** Their files may be so imported by `import type`. */
  readonly withoutDoorForTypes: readonly string[]
  readonly openFolders: readonly OpenFolder[]
}

export function importsOf(source: Source): Import[] {
  return source.nodes.flatMap((node) => {
    const [specifier, typeOnly] = importedBy(node)
    return specifier && isStringLiteral(specifier) ? [{ specifier: specifier.text, line: lineOf(source, node), typeOnly }] : []
  })
}

/** `import { type A }` still loads its module when types are stripped, so it isn't type-only. */
function importedBy(node: Node): [specifier: Node | undefined, typeOnly: boolean] {
  if (isImportDeclaration(node)) return [node.moduleSpecifier, node.importClause?.phaseModifier === SyntaxKind.TypeKeyword]
  if (isExportDeclaration(node)) return [node.moduleSpecifier, node.isTypeOnly]
  if (isImportTypeNode(node)) return [isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true]
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) return [node.arguments[0], false]
  return [undefined, false]
}

function faultsOfImports(source: Source, judge: (path: string, target: string, typeOnly: boolean) => string | undefined): Fault[] {
  return importsOf(source).flatMap(({ specifier, line, typeOnly }) => {
    const target = specifier.startsWith('.') ? join(dirname(source.path), specifier) : specifier
    const message = judge(source.path, target, typeOnly)
    return message ? [{ path: source.path, line, message }] : []
  })
}

export function importsOneWay(tiers: Tiers): Rule['check'] {
  return perFile((path) => path.startsWith('src/') && !isTest(path), (source) => {
    if (source.tree && !tiers.order.includes(tierOf(source.path))) {
      return [{ path: source.path, line: 1, message: `src/${tierOf(source.path)} has no place in the order of tiers: move the file into a tier, or give the tier its place in tools/tidy.ts` }]
    }
    return faultsOfImports(source, (path, target, typeOnly) => {
      if (/^tenfold(\/|$)/.test(target)) return `imports the package by its own name (${target}): inside src/ import the tier's index.ts by a relative path`
      const relative = target.includes('/') && /^(\.\.|src|test|tools|examples|bench|docs)\//.test(target)
      return relative ? wrongWay(tiers, path, target, typeOnly) : undefined
    })
  })
}

const tierOf = (path: string) => path.split('/')[1] ?? ''

function wrongWay(tiers: Tiers, path: string, target: string, typeOnly: boolean): string | undefined {
  if (!target.startsWith('src/')) return `imports ${target}: src/ is published alone, so it imports nothing outside itself`
  const [from, to] = [tierOf(path), tierOf(target)]
  if (!tiers.order.includes(to)) return `imports ${target}, which has no place in the order of tiers: give it one in tools/tidy.ts`
  const place = (tier: string) => tiers.order.indexOf(tier)
  const isIn = ({ folder }: OpenFolder, file: string) => file.startsWith(`src/${folder}/`)
  const home = tiers.openFolders.find((open) => isIn(open, path))
  const asOpen = home && tiers.openFolders.some((open) => isIn(open, target) && home.to.every((tier) => open.to.includes(tier)))
  if (home && !isIn(home, target) && !asOpen) {
    const first = home.to.toSorted((one, other) => place(one) - place(other))[0] ?? ''
    if (place(to) >= place(first)) return `imports ${target}, but ${home.folder} is open to ${first}, so it may import only tiers before ${first}: move what both need before it`
  }
  if (from === to || tiers.openFolders.some((open) => isIn(open, target) && open.to.includes(from))) return undefined
  if (place(to) > place(from)) return `${from} may not import ${to}, which comes after it: move the code, or have it passed in`
  const throughDoor = target === `src/${to}` || target === `src/${to}/index.ts`
  if (throughDoor || tiers.withoutDoor.includes(to) || (typeOnly && tiers.withoutDoorForTypes.includes(to))) return undefined
  return `${from} imports ${target} past the tier's door: import src/${to}/index.ts, and export there what others need`
}

/** An example is what users copy, so it imports what users can import. */
export const examplesImportThePackage: Rule['check'] = perFile((path) => path.startsWith('examples/'), (source) => faultsOfImports(source, (_, target) =>
  /^(src|dist)\//.test(target) ? `an example imports ${target}: import 'tenfold' or 'tenfold/...', as users do` : undefined))
