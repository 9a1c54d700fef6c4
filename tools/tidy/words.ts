/** What is never left in the code. */
import { SyntaxKind, type Node } from 'typescript/unstable/ast'
import {
  isAsExpression, isCallExpression, isIdentifier, isNewExpression, isObjectLiteralExpression, isPropertyAccessExpression, isPropertyAssignment, isStringLiteral,
  isThrowStatement, isTypeAssertion,
} from 'typescript/unstable/ast/is'
import { isTest, lineAt, lineOf, perFile, type Rule, type Source } from './source.ts'

const everywhere = () => true

/** A rule that has one thing to say of each node that it finds. `at` is the part of the node to point to. */
function noNode(concerns: (path: string) => boolean, isFaulty: (node: Node, source: Source) => boolean, message: string, at = (node: Node) => node): Rule['check'] {
  return perFile(concerns, (source) => source.nodes.filter((node) => isFaulty(node, source)).map((node) => ({ path: source.path, line: lineOf(source, at(node)), message })))
}

/** `throw new Error(...)`, and its like, with or without `new`. */
export function errorsHaveCodes(bareErrors: readonly string[]): Rule['check'] {
  return noNode((path) => path.startsWith('src/') && !isTest(path), (node) => {
    if (!isThrowStatement(node)) return false
    const thrown = node.expression
    return (isNewExpression(thrown) || isCallExpression(thrown)) && isIdentifier(thrown.expression) && bareErrors.includes(thrown.expression.text)
  }, `throws an error without a code: throw failed('code', 'The fault and the remedy.') from base/errors.ts`)
}

export function noLeftovers(words: RegExp): Rule['check'] {
  return perFile(everywhere, ({ path, comments }) => comments.flatMap(({ text, firstLine }) => [...text.matchAll(words)].map((match) => (
    { path, line: firstLine + lineAt(text, match.index) - 1, message: `a comment says ${match[0]}: do it now, or open an issue and take the word out` }))))
}

export const noAsAny: Rule['check'] = noNode(everywhere,
  (node) => (isAsExpression(node) || isTypeAssertion(node)) && node.type.kind === SyntaxKind.AnyKeyword,
  `casts to any, which turns the compiler off: narrow the type, or cast to the type it has and say why`)

export const castsSayWhy: Rule['check'] = noNode(everywhere, (node, source) => {
  if (!isAsExpression(node) || !isAsExpression(node.expression) || node.expression.type.kind !== SyntaxKind.UnknownKeyword) return false
  const line = lineOf(source, node.expression.type)
  const lastLine = lineAt(source.text, node.end)
  return !source.comments.some((comment) => comment.lastLine >= line - 1 && comment.firstLine <= lastLine)
}, `casts through unknown without a word: say why it is right in a comment on the same line or the one before`,
  (node) => isAsExpression(node) && isAsExpression(node.expression) ? node.expression.type : node)

/** Every test runs, always. One that can't run on this machine says so with `{ skip: condition && 'why' }`. */
export const everyTestRuns: Rule['check'] = noNode(isTest, (node) => isSwitchedOffCall(node) || isSwitchedOffOption(node),
  `switches tests off: take it out; what cannot run on every machine says { skip: condition && 'why' }`)

function isSwitchedOffCall(node: Node): boolean {
  return isCallExpression(node) && isPropertyAccessExpression(node.expression) && ['only', 'skip', 'todo'].includes(node.expression.name.text)
}

/** `{ skip: 'why' }` or `{ only: true }` among the arguments of a test: constants, so off on every machine. */
function isSwitchedOffOption(node: Node): boolean {
  if (!isPropertyAssignment(node) || !isIdentifier(node.name) || !['only', 'skip', 'todo'].includes(node.name.text)) return false
  const constant = node.initializer.kind === SyntaxKind.TrueKeyword || isStringLiteral(node.initializer)
  const call = isObjectLiteralExpression(node.parent) ? node.parent.parent : undefined
  return constant && call !== undefined && isCallExpression(call) && isIdentifier(call.expression) && ['test', 'it', 'describe', 'suite'].includes(call.expression.text)
}
