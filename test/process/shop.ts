/** The shop as a real process, started as `npm start` starts it. Whatever happens to the test, nothing of it is left running. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { signalProcess, waitFor } from '../../src/base/process.ts'
import { endProcessesOf, processesOf } from './processes.ts'

const root = join(import.meta.dirname, '../..')
const startMs = 30_000
const leaveMs = 40_000

export interface Ended { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export interface ShopOptions { readonly environment?: Readonly<Record<string, string>>; readonly ports?: { readonly web: number; readonly ops: number }; /** Where what it says goes: to us, to a pipe that nobody reads any more, or to a full disk. */ readonly output?: 'read' | 'closed' | 'full'; /** Another application's folder, or its configuration in this repository; the shop's unless told. */ readonly folder?: string; readonly config?: string; /** What runs, in place of the command line: a file of this repository. */ readonly program?: string; /** What runs the command line, in place of Node. */ readonly executable?: string; /** A file with another topology. */ readonly topology?: string }

/** One command line on the shop, in a process group of its own, as a terminal gives it. */
export interface Command {
  readonly pid: number
  readonly urls: { readonly web: string; readonly ops: string }
  readonly ports: { readonly web: number; readonly ops: number }
  /** All that it wrote so far. */
  stdout(): string
  stderr(): string
  readonly ended: Promise<Ended>
}

const started = new Map<string, Command[]>()

/** A place for data that goes when the test ends, together with every process that still works on it, and with the disk on which it is. */
export async function dataDirectory(context: Pick<TestContext, 'after'>, disk?: { readonly path: string; remove(): Promise<void> }): Promise<string> {
  const parent = disk?.path ?? await realpath(await mkdtemp(join(tmpdir(), 'tenfold-process-')))
  const directory = join(parent, 'data')
  context.after(async () => {
    for (const running of started.get(directory) ?? []) await end(running)
    started.delete(directory)
    await endProcessesOf(directory)
    if (disk) await disk.remove()
    else await rm(parent, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  })
  return directory
}

/** `tenfold ARGS` on the shop, from source. It dies with this process, however that ends. */
export async function command(directory: string, args: readonly string[], options: ShopOptions = {}): Promise<Command> {
  const ports = options.ports ?? await freePorts()
  const full = options.output === 'full' ? openSync('/dev/full', 'w') : undefined
  const line = options.program ? [options.program] : options.folder ? ['node_modules/tenfold/src/cli/main.js'] : ['src/cli/main.js', '--config', options.config ?? 'examples/shop/tenfold.config.ts', ...options.topology ? ['--topology', options.topology] : []]
  const [executable, before] = options.executable ? [options.executable, []] : [process.execPath, ['--conditions=tenfold:src', ...line]]
  const child = spawn(executable, [...before, ...args], {
    cwd: options.folder ?? root, detached: true, stdio: ['ignore', full ?? 'pipe', full ?? 'pipe'],
    env: {
      PATH: process.env['PATH'], HOME: process.env['HOME'], ...process.env['TMPDIR'] === undefined ? {} : { TMPDIR: process.env['TMPDIR'] }, TENFOLD_DATA: directory, PORT: String(ports.web), OPS_PORT: String(ports.ops), SHOP_RATE_LIMIT: 'off', TENFOLD_LOG: 'warn', ...options.environment,
    },
  })
  await once(child, 'spawn')
  if (full !== undefined) closeSync(full)
  const output = { stdout: textOf(child.stdout), stderr: textOf(child.stderr) }
  if (options.output === 'closed') for (const stream of [child.stdout, child.stderr]) stream?.destroy()
  const running: Command = { pid: child.pid as number, ports, urls: { web: `http://127.0.0.1:${ports.web}`, ops: `http://127.0.0.1:${ports.ops}` }, ...output, ended: endOf(child) }
  started.set(directory, [...started.get(directory) ?? [], running])
  return running
}

/** The same, to its end: what it wrote, and its exit code. */
export async function finished(running: Command, withinMs = leaveMs): Promise<Ended & { stdout: string; stderr: string }> {
  const ended = await within(withinMs, running.ended, () => `the process ${running.pid} did not end in ${withinMs} ms: ${running.stdout()}${running.stderr()}`)
  return { ...ended, stdout: running.stdout(), stderr: running.stderr() }
}

export interface Shop extends Command { readonly readyMs: number }

/** Starts the shop and waits for its line that begins with `ready`. */
export async function startShop(directory: string, options: ShopOptions & { args?: readonly string[] } = {}): Promise<Shop> {
  const began = performance.now()
  const shop = await command(directory, ['start', ...options.args ?? []], options)
  let ended = false
  void shop.ended.then(() => { ended = true })
  await until('the shop is ready', () => ended || /^ready /m.test(shop.stdout()), startMs)
  if (ended) throw new Error(`The shop ended before it was ready: ${shop.stderr()}`)
  return { ...shop, readyMs: performance.now() - began }
}

/** As Ctrl-C does it: to the whole process group. */
export function interrupt(shop: Command): void { process.kill(-shop.pid, 'SIGINT') }

/** Whatever it is doing; of one that has ended nothing is signalled, since its number may be another's by now. */
async function end({ pid, ended }: Command): Promise<void> {
  const state = await Promise.race([ended.then(() => 'ended'), Promise.resolve('running')])
  if (state === 'running') signalProcess(pid, 'SIGKILL')
  await ended
}

/** Kills it at once, and waits until nothing of it is left: its Postgres and its sandbox end by themselves. */
export async function killShop(shop: Command, directory: string): Promise<void> {
  process.kill(shop.pid, 'SIGKILL')
  await shop.ended
  await until('what the killed shop had started is gone', async () => (await processesOf(directory)).length === 0)
}

/** Asks until the answer is true. Errors: it was not within the time limit. */
export async function until(what: string, ask: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const reached = await waitFor(async () => await ask() || undefined, { timeoutMs, everyMs: 20 })
  if (!reached) throw new Error(`Not within ${timeoutMs} ms: ${what}.`)
}

export async function within<T>(limitMs: number, work: Promise<T>, late: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error(late())), limitMs) })
  return await Promise.race([work, over]).finally(() => clearTimeout(timer))
}

/**
 * Ports of this test process alone, so that none is taken while the shop that had it is down between two starts: below those of which
 * systems and rigs choose, in a part for each process that `node --test` runs at once.
 */
const [lowest, size, parts] = [14_000, 750, 8]
const first = lowest + size * ((Number(process.env['NODE_TEST_WORKER_ID'] ?? 1) - 1) % parts)
let chosen = randomInt(size)

export async function freePorts(): Promise<{ web: number; ops: number }> { return { web: await freePort(), ops: await freePort() } }

async function freePort(): Promise<number> {
  for (;;) {
    const port = first + chosen++ % size
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (free) await new Promise((resolve) => server.close(resolve))
    if (free) return port
  }
}

function textOf(stream: Readable | null): () => string {
  let text = ''
  stream?.setEncoding('utf8').on('data', (part: string) => { text += part })
  return () => text
}

/** A shell that reads from a pipe that only we hold: when we are gone, so is what it watches. */
function endOf(child: ChildProcess): Promise<Ended> {
  const watcher = spawn('/bin/sh', ['-c', 'read -r farewell || kill -s KILL "$1"', 'watch', String(child.pid)], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  watcher.stdin.on('error', () => {})
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      watcher.stdin.end('gone\n')
      resolve({ code, signal })
    })
  })
}
