/** How large a file and a function may be: what is larger holds more than one idea. */
import type { Node } from 'typescript/unstable/ast'
import {
  isArrowFunction, isCallExpression, isConstructorDeclaration, isFunctionDeclaration, isFunctionExpression, isGetAccessorDeclaration, isIdentifier,
  isMethodDeclaration, isPropertyAssignment, isSetAccessorDeclaration, isVariableDeclaration,
} from 'typescript/unstable/ast/is'
import { isTest, lineAt, lineCount, lineOf, perFile, type Rule, type Source } from './source.ts'

const isScript = (path: string) => path.endsWith('.ts')

export function fileSize(linesMax: number): Rule['check'] {
  return perFile(isScript, ({ path, text }) => {
    const lines = lineCount(text)
    return lines > linesMax ? [{ path, line: linesMax + 1, message: `the file has ${lines} lines, ${linesMax} at most: split it, one idea a file`, measure: lines }] : []
  })
}

export function medianSize(linesMax: number): Rule['check'] {
  return (sources) => {
    const sizes = sources.filter(({ path }) => path.startsWith('src/') && isScript(path) && !isTest(path)).map(({ text }) => lineCount(text)).toSorted((one, other) => one - other)
    const median = sizes[Math.floor(sizes.length / 2)] ?? 0
    return median > linesMax ? [{ path: 'src', line: 1, message: `the median file has ${median} lines, ${linesMax} at most: split the files that hold more than one idea`, measure: median }] : []
  }
}

/** Lines from the first of its head to the closing brace, with all that is inside. */
export function functionSize(linesMax: number): Rule['check'] {
  return perFile(isScript, (source) => source.nodes.filter((node) => isFunction(node) && !isGroupOfTests(node, source)).flatMap((node) => {
    const line = lineOf(source, node)
    const lines = lineAt(source.text, node.end) - line + 1
    return lines > linesMax ? [{ path: source.path, line, message: `${nameOf(node)} has ${lines} lines, ${linesMax} at most: split it`, measure: lines }] : []
  }))
}

function isFunction(node: Node): boolean {
  return isFunctionDeclaration(node) || isFunctionExpression(node) || isArrowFunction(node) || isMethodDeclaration(node) || isConstructorDeclaration(node)
    || isGetAccessorDeclaration(node) || isSetAccessorDeclaration(node)
}

/** The function given to `describe` is a heading over tests, not work. */
function isGroupOfTests(node: Node, source: Source): boolean {
  return isTest(source.path) && isCallExpression(node.parent) && isIdentifier(node.parent.expression) && ['describe', 'suite'].includes(node.parent.expression.text)
}

function nameOf(node: Node): string {
  const named = isVariableDeclaration(node.parent) || isPropertyAssignment(node.parent) ? node.parent : node as { name?: Node }
  return named.name && isIdentifier(named.name) ? `the function ${named.name.text}` : 'a function without a name'
}
