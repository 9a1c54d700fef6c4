import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { SandboxOptions, SandboxUrls } from './main.ts'

export type { SandboxUrls } from './main.ts'

export interface Sandbox {
  readonly urls: SandboxUrls
  readonly pid: number
  /** Ends the process and waits until it has left; may be called twice. */
  stop(): Promise<void>
  /** Resolves when the process has left, for whatever reason. */
  readonly exited: Promise<void>
}

const endWithinMs = 5_000

type Child = ChildProcessByStdio<Writable, Readable, null>

/**
 * Starts the sandbox as a process of its own and waits until it is ready, at most `readyWithinMs` (10 s). Charges and mails are
 * kept in `directory`. Ctrl-C does not reach it: the caller ends it last, with `stop()`. It leaves by itself when this process dies.
 */
export async function startSandbox(options: SandboxOptions & { readyWithinMs?: number }): Promise<Sandbox> {
  const { readyWithinMs = 10_000, ...rest } = options
  const child = spawn(process.execPath, ['--conditions=tenfold:src', join(import.meta.dirname, 'main.ts'), JSON.stringify(rest)], {
    stdio: ['pipe', 'pipe', 'inherit'], detached: true,
  })
  child.stdin.on('error', () => {}) // a pipe to a child that has just left
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  try {
    const urls = await ready(child, readyWithinMs)
    return { urls, pid: child.pid as number, exited, stop: () => end(child, exited) }
  } catch (error) {
    await end(child, exited)
    throw error
  }
}

async function ready(child: Child, withinMs: number): Promise<SandboxUrls> {
  let late = false
  const limit = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, withinMs)
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const answer = JSON.parse(line) as SandboxUrls | { error: string }
      if ('error' in answer) throw new Error(answer.error)
      child.stdout.resume()
      return answer
    }
  } finally {
    clearTimeout(limit)
  }
  if (late) throw new Error(`The sandbox was not ready within ${withinMs} ms: look at the load of this machine, and start again.`)
  throw new Error('The sandbox left before it was ready: what it wrote last says why.')
}

async function end(child: Child, exited: Promise<void>): Promise<void> {
  const limit = setTimeout(() => child.kill('SIGKILL'), endWithinMs)
  child.stdin.end()
  child.kill('SIGTERM')
  await exited
  clearTimeout(limit)
}
