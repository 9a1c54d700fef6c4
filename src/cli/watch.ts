import { readdirSync, statSync, watch } from 'node:fs'
import { join, relative } from 'node:path'

/**
 * Tells of every change of a source (`.ts`, `.sql`) below a folder, by its path from there. Folder by folder: Node's own recursive
 * watch would look into node_modules and the database too.
 * @returns ends it
 */
export function watchSources(folder: string, changed: (file: string) => void): () => void {
  const watchers = new Map<string, { readonly identity: string; close(): void }>()
  const forget = (directory: string) => {
    for (const [path, watcher] of watchers) if (path === directory || path.startsWith(`${directory}/`)) { watcher.close(); watchers.delete(path) }
  }
  const hear = (directory: string, name: string | null) => {
    const path = join(directory, name ?? '')
    if (isSource(path)) return changed(relative(folder, path))
    // One that was removed and made again is another: what watched the first hears nothing of it, but that the first is gone.
    for (const one of [directory, path]) if (watchers.get(one)?.identity !== identityAt(one)) forget(one)
    for (const file of [...look(directory), ...look(path)]) changed(relative(folder, file))
  }
  /** Watches a folder and those in it; answers the sources that it found in those that were not watched yet. */
  const look = (directory: string): string[] => {
    const identity = identityAt(directory)
    if (identity === undefined || watchers.has(directory) || isLeftOut(directory, folder)) return []
    try {
      const watcher = watch(directory, (_event, name) => hear(directory, name)).on('error', () => forget(directory))
      watchers.set(directory, { identity, close: () => watcher.close() })
      const entries = readdirSync(directory, { withFileTypes: true })
      return entries.flatMap((entry) => entry.isDirectory() ? look(join(directory, entry.name)) : isSource(entry.name) ? [join(directory, entry.name)] : [])
    } catch {
      forget(directory) // it is gone again
      return []
    }
  }
  look(folder)
  return () => forget(folder)
}

const isSource = (path: string) => /\.(ts|mts|sql)$/.test(path)

function isLeftOut(directory: string, folder: string): boolean {
  return directory !== folder && /(^|\/)(node_modules|dist|\.[^/]*)$/.test(directory)
}

/** Of the folder that is there; undefined: there is none. */
function identityAt(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found?.isDirectory() ? `${found.ino} ${found.birthtimeNs}` : undefined
}
