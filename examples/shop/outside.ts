/** Where the world outside is: in this example a sandbox process of its own, on this machine. */
import { type Sandbox, startSandbox } from './sandbox/start.ts'

let sandbox: Sandbox | undefined

export async function startOutside(directory: string): Promise<Sandbox> {
  return sandbox = await startSandbox({ directory })
}

export function controlUrl(): string {
  if (!sandbox) throw new Error('the sandbox is not running')
  return sandbox.urls.control
}
