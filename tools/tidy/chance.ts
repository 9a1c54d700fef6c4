/** Time and chance come in from outside, so that a test moves the clock and a seed repeats a run. */
import type { CallExpression, Node } from 'typescript/unstable/ast'
import {
  isArrowFunction, isBlock, isCallExpression, isExpressionStatement, isFunctionExpression, isIdentifier, isImportDeclaration, isNamedImports, isNewExpression,
  isPropertyAccessExpression, isShorthandPropertyAssignment, isStringLiteral, isTypeQueryNode,
} from 'typescript/unstable/ast/is'
import { type Fault, isTest, lineOf, perFile, type Rule, type Source } from './source.ts'

/** From what is banned to what stands in for it. A name of two words is a member of a global; `new Date()` is the call without arguments. */
export type Bans = Readonly<Record<string, string>>

export function timeAndChance(bans: Bans, free: readonly string[]): Rule['check'] {
  return perFile((path) => path.startsWith('src/') && !isTest(path) && !free.some((place) => path.startsWith(place)), (source) => bannedUses(source, bans))
}

export function testTime(bans: Bans): Rule['check'] {
  return perFile(isTest, (source) => [
    ...bannedUses(source, bans),
    ...source.nodes.filter((node) => isCallExpression(node) && isSleep(node)).map((node) => (
      { path: source.path, line: lineOf(source, node), message: 'a test sleeps: wait for the condition, or move the test clock' })),
  ])
}

function bannedUses(source: Source, bans: Bans): Fault[] {
  return source.nodes.flatMap((node) => [...usedBy(node)].filter((name) => Object.hasOwn(bans, name))
    .map((name) => ({ path: source.path, line: lineOf(source, node), message: `${name} is banned here: ${bans[name]}` })))
}

function* usedBy(node: Node): Generator<string> {
  if (isPropertyAccessExpression(node)) yield dotted(node) ?? ''
  if (isIdentifier(node) && isReference(node)) yield node.text
  if (isNewExpression(node) && dotted(node.expression) === 'Date' && !node.arguments?.length) yield 'new Date()'
  if (isCallExpression(node) && dotted(node.expression) === 'Date') yield 'new Date()'
  if (isImportDeclaration(node) && isStringLiteral(node.moduleSpecifier)) yield* importedNames(node.moduleSpecifier.text, node.importClause?.namedBindings)
}

function dotted(node: Node): string | undefined {
  if (isIdentifier(node)) return node.text
  if (!isPropertyAccessExpression(node)) return undefined
  const owner = dotted(node.expression)
  return owner === 'globalThis' ? node.name.text : owner && `${owner}.${node.name.text}`
}

/** Not where it only names a property, a declaration or a type: there it's another thing of the same name. */
function isReference(node: Node): boolean {
  const parent: Node & { name?: Node; propertyName?: Node } = node.parent
  return isShorthandPropertyAssignment(parent) || (parent.name !== node && parent.propertyName !== node && !isTypeQueryNode(parent))
}

/** `import { randomBytes as bytes } from 'node:crypto'` uses `crypto.randomBytes`, and `timers/promises` sleeps. */
function importedNames(specifier: string, bindings: Node | undefined): string[] {
  const module = specifier.replace(/^node:/, '')
  if (!['crypto', 'process', 'timers', 'timers/promises'].includes(module) || !bindings || !isNamedImports(bindings)) return []
  const names = bindings.elements.filter((element) => !element.isTypeOnly).map((element) => (element.propertyName ?? element.name).text)
  return names.flatMap((name) => module === 'timers' ? [name] : [`${module}.${name}`])
}

/** `new Promise((resolve) => setTimeout(resolve, ...))`: a timer that does nothing but resolve. One that rejects is a guard, and is fine. */
function isSleep(call: CallExpression): boolean {
  const [done] = call.arguments
  if (dotted(call.expression) !== 'setTimeout' || !done) return false
  return executorsAround(call).some((resolve) => isIdentifier(done) ? done.text === resolve : onlyCall(done) === resolve)
}

/** What the promise executors around a node call their `resolve`. */
function executorsAround(node: Node): string[] {
  const parent = node.parent as Node | undefined
  if (!parent) return []
  const isExecutor = (isArrowFunction(node) || isFunctionExpression(node)) && isNewExpression(parent) && dotted(parent.expression) === 'Promise'
  const resolve = isExecutor ? node.parameters[0]?.name : undefined
  return [...(resolve && isIdentifier(resolve) ? [resolve.text] : []), ...executorsAround(parent)]
}

function onlyCall(node: Node): string | undefined {
  if (!isArrowFunction(node) && !isFunctionExpression(node)) return undefined
  const [first, ...others] = isBlock(node.body) ? node.body.statements : [node.body]
  const expression = first && isExpressionStatement(first) ? first.expression : first
  return expression && others.length === 0 && isCallExpression(expression) ? dotted(expression.expression) : undefined
}
