import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { replaceFile } from '../../base/private-files.ts'
import { systemRandom } from '../../base/random.ts'

/** Ports that are chosen free, and then the same at every start: what was told somebody stays true. */
export interface Ports {
  /** Errors: what the file system refuses. */
  of(name: string): Promise<number>
}

/** Kept in that file, as JSON. */
export function rememberedPorts(file: string): Ports {
  let known: Promise<Record<string, number>> | undefined
  let saving = Promise.resolve()
  return {
    async of(name) {
      const ports = await (known ??= read(file))
      const old = ports[name]
      if (old !== undefined && await isFree(old)) return old
      const port = ports[name] = await lastingPort(new Set(Object.values(ports)))
      await (saving = saving.then(() => replaceFile(file, `${JSON.stringify(ports, null, 2)}\n`)))
      return port
    },
  }
}

/** A file that was torn says nothing, and ports are chosen anew. */
async function read(file: string): Promise<Record<string, number>> {
  try { return JSON.parse(await readFile(file, 'utf8')) as Record<string, number> } catch { return {} }
}

/** Below the range from which systems take the ports of outgoing connections, so that none takes it between two starts. */
const [lowest, highest] = [20_000, 32_000]

async function lastingPort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(systemRandom.float() * (highest - lowest))
    if (!taken.has(port) && await isFree(port)) return port
  }
}

/** One that nobody listens on now. Somebody else may be given the same a moment later. */
export async function freePort(): Promise<number> { return await listenOn(0) }

async function isFree(port: number): Promise<boolean> { return await listenOn(port).then(() => true, () => false) }

async function listenOn(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
