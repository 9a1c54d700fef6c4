import { glob } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readSources } from './source.ts'

/**
 * Which files an application has and never imports. What was imported is what Node loaded, told by a hook that stands before the
 * configuration is loaded. The other files are read, not run: running one could start anything.
 */
const loaded = new Set<string>()

/** From now on every file that Node loads is noted. */
export function noteImports(): void {
  registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context) } })
}

/** A file of an application's folder that nobody imported, and what it would have called; or why it cannot be read. */
export interface NeverImported { readonly file: string; readonly calls: readonly string[]; readonly unreadable: string | undefined }

/** @param wanted the functions to look for, by the name under which a call of one is told, such as `orders.query`. Files that call none are left out. */
export async function neverImported(folder: string, wanted: ReadonlyMap<unknown, string>): Promise<NeverImported[]> {
  const isLeftOut = (path: string) => /^(node_modules|dist|\..+)$/.test(basename(path))
  const urlOf = (file: string) => pathToFileURL(join(folder, file)).href
  const files: string[] = []
  for await (const file of glob('**/*.{ts,mts,js,mjs}', { cwd: folder, exclude: isLeftOut })) if (!loaded.has(urlOf(file)) && !/\.(test|d)\.\w+$/.test(file)) files.push(file)
  files.sort()
  const sources = await readSources(files.map(urlOf), loaded)
  return sources.map(({ called, unreadable }, nth) => ({ file: files[nth] ?? '', calls: [...new Set(called.flatMap((value) => wanted.get(value) ?? []))], unreadable }))
    .filter(({ calls, unreadable }) => calls.length > 0 || unreadable !== undefined)
}
