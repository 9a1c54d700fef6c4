/** What a name stands for at a place in a source, as far as that is known without running it. */
import type { AnyNode, Pattern } from 'acorn'

export interface Scope {
  /** A name that stands for something unknown is in it as well: it hides what is further out. */
  readonly names: Map<string, unknown>
  readonly outer: Scope | undefined
  /** By specifier: what the file's imports give. */
  readonly imported: ReadonlyMap<string, object>
}

export const emptyScope = (imported: Scope['imported'] = new Map()): Scope => ({ names: new Map(), outer: undefined, imported })

/** The value of an expression; undefined where it is not known. */
export function valueOf(node: AnyNode, scope: Scope): unknown {
  switch (node.type) {
    case 'Identifier': return lookup(node.name, scope)
    case 'MemberExpression': {
      const name = !node.computed ? 'name' in node.property ? node.property.name : undefined : node.property.type === 'Literal' ? String(node.property.value) : undefined
      return name === undefined ? undefined : propertyOf(valueOf(node.object, scope), name)
    }
    case 'ChainExpression': return valueOf(node.expression, scope)
    case 'AwaitExpression': return node.argument.type === 'ImportExpression' ? valueOf(node.argument, scope) : undefined
    case 'ImportExpression': return node.source.type === 'Literal' ? scope.imported.get(String(node.source.value)) : undefined
    default: return undefined
  }
}

function lookup(name: string, scope: Scope | undefined): unknown {
  if (scope === undefined || scope.names.has(name)) return scope?.names.get(name)
  return lookup(name, scope.outer)
}

/** Never runs a getter. */
export function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
}

/** The scope inside a node: its own, with its names in it, where it has one. */
export function enclosed(node: AnyNode, outer: Scope): Scope {
  const scope = { ...outer, names: new Map<string, unknown>(), outer }
  switch (node.type) {
    case 'BlockStatement': case 'StaticBlock': hoist(node.body, scope); break
    case 'SwitchStatement': hoist(node.cases.flatMap(({ consequent }) => consequent), scope); break
    case 'ForStatement': if (node.init?.type === 'VariableDeclaration') declare(node.init, scope); break
    case 'ForInStatement': case 'ForOfStatement': if (node.left.type === 'VariableDeclaration') declare(node.left, scope); break
    case 'CatchClause': if (node.param) bind(node.param, undefined, scope); break
    case 'FunctionDeclaration': case 'FunctionExpression': case 'ArrowFunctionExpression': for (const one of node.params) bind(one, undefined, scope); break
    default: return outer
  }
  return scope
}

/** Puts into the scope what these statements declare: a name may be used in a function that stands above it. */
export function hoist(statements: readonly AnyNode[], scope: Scope): void {
  for (const statement of statements) {
    if (statement.type === 'ImportDeclaration') {
      const from = scope.imported.get(String(statement.source.value))
      for (const one of statement.specifiers) {
        const name = one.type === 'ImportDefaultSpecifier' ? 'default' : one.type === 'ImportNamespaceSpecifier' ? undefined : one.imported.type === 'Identifier' ? one.imported.name : String(one.imported.value)
        scope.names.set(one.local.name, name === undefined ? from : propertyOf(from, name))
      }
    } else declare(statement.type === 'ExportNamedDeclaration' && statement.declaration ? statement.declaration : statement, scope)
  }
}

function declare(statement: AnyNode, scope: Scope): void {
  if (statement.type === 'VariableDeclaration') for (const { id, init } of statement.declarations) bind(id, init ? valueOf(init, scope) : undefined, scope)
  else if ((statement.type === 'FunctionDeclaration' || statement.type === 'ClassDeclaration') && statement.id) scope.names.set(statement.id.name, undefined)
}

/** Gives a pattern's names their values. */
function bind(pattern: Pattern, value: unknown, scope: Scope): void {
  switch (pattern.type) {
    case 'Identifier': scope.names.set(pattern.name, value); break
    case 'AssignmentPattern': bind(pattern.left, value, scope); break
    case 'RestElement': bind(pattern.argument, undefined, scope); break
    case 'ArrayPattern': for (const element of pattern.elements) if (element) bind(element, undefined, scope); break
    case 'ObjectPattern': for (const one of pattern.properties) {
      if (one.type === 'RestElement') bind(one, undefined, scope)
      else bind(one.value, !one.computed && one.key.type === 'Identifier' ? propertyOf(value, one.key.name) : undefined, scope)
    }
  }
}

/** The names that a declaration makes. */
export function namesIn(declaration: AnyNode): string[] {
  const scope = emptyScope()
  declare(declaration, scope)
  return [...scope.names.keys()]
}
