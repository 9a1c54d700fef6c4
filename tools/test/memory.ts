/** Where the tests' files are: in memory, where there is room for it. Databases are made and dropped by the hundred, and a disk is the slowest part of that. */
import { accessSync, chmodSync, constants, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

const place = '/dev/shm'
const prefix = 'tenfold-tests-'
/** More than twice what they have been seen to take at once. */
const bytesMin = 8 * 1024 ** 3

/** Makes a folder there the one for temporary files, of this process and its children; answers how it is removed. Whoever says TMPDIR has chosen already. */
export function keepInMemory(environment: NodeJS.ProcessEnv): () => void {
  if (environment['TMPDIR'] !== undefined || !existsSync(place)) return () => {}
  sweep() // first: it may be what takes the room
  if (!hasRoom()) return () => {}
  const folder = mkdtempSync(join(place, `${prefix}${process.pid}-`))
  chmodSync(folder, 0o1777) // as /tmp: Postgres runs as another user where we are root
  environment['TMPDIR'] = folder
  return () => remove(folder)
}

export function hasRoom(): boolean {
  try {
    const mounted = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' ')).find(([, path]) => path === place)
    const { bavail, bsize } = statfsSync(place)
    accessSync(place, constants.W_OK)
    // where nothing may be executed, npm's programs could not be tried
    return mounted?.[2] === 'tmpfs' && !mounted[3]?.split(',').includes('noexec') && Math.min(bavail * bsize, process.availableMemory()) >= bytesMin
  } catch {
    return false
  }
}

/** What killed runs left. */
function sweep(): void {
  for (const name of readdirSync(place)) if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length).split('-')[0]))) remove(join(place, name))
}

function isAlive(pid: number): boolean {
  try { return process.kill(pid, 0) } catch (error) { return (error as NodeJS.ErrnoException).code === 'EPERM' }
}

function remove(folder: string): void {
  try { rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }) } catch { /* somebody else's */ }
}
