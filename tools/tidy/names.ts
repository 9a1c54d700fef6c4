/** How files are called, and which must be there. */
import type { Fault, Rule, Source } from './source.ts'

const kebabCase = /^[a-z0-9]+([.-][a-z0-9]+)*$/

export function kebabNames(alsoFine: readonly RegExp[]): Rule['check'] {
  return (sources) => sources.flatMap(({ path }) => {
    const wrong = path.split('/').find((part) => !kebabCase.test(part) && !alsoFine.some((pattern) => pattern.test(part)))
    return wrong ? [{ path, line: 1, message: `${wrong} is not kebab-case: rename it` }] : []
  })
}

/** A tier's index.ts is its door: the names that others may use. */
export const tiersHaveDoors: Rule['check'] = (sources) => {
  const paths = new Set(sources.map(({ path }) => path))
  const tiers = new Set([...paths].filter((path) => path.startsWith('src/') && path.endsWith('.ts') && path.split('/').length > 2).map((path) => path.split('/')[1]))
  return [...tiers].filter((tier) => !paths.has(`src/${tier}/index.ts`))
    .map((tier) => ({ path: `src/${tier}`, line: 1, message: `the tier has no index.ts: add one that exports, by name, what others may use` }))
}

/** Checked only when the page exists: `pg` and `@types/pg` count when named whole, `@types/*` stands for its scope. */
export function dependenciesAreExplained(page: string): Rule['check'] {
  return (sources) => {
    const [manifest, explanations] = [textOf(sources, 'package.json'), textOf(sources, page)]
    if (manifest === undefined || explanations === undefined) return []
    const { dependencies, devDependencies, peerDependencies, optionalDependencies } = JSON.parse(manifest) as Record<string, Record<string, string>>
    const names = new Set(Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies, ...optionalDependencies }))
    return [...names].filter((name) => !mentionsOf(name).some((mention) => isNamed(mention, explanations))).map((name): Fault => (
      { path: 'package.json', line: lineNaming(manifest, name), message: `${name} is not in ${page}: say there why it was chosen, over what, and when it would be replaced` }))
  }
}

function textOf(sources: readonly Source[], path: string): string | undefined {
  return sources.find((source) => source.path === path)?.text
}

function mentionsOf(name: string): string[] {
  return name.startsWith('@') ? [name, `${name.split('/')[0]}/*`] : [name]
}

function isNamed(name: string, text: string): boolean {
  return new RegExp(`(?<![\\w@/.-])${name.replaceAll('.', '\\.')}(?![\\w/-])`).test(text)
}

function lineNaming(manifest: string, name: string): number {
  return manifest.slice(0, Math.max(0, manifest.indexOf(`"${name}"`))).split('\n').length
}
