import { readFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { relative, resolve } from 'node:path'
import type { App } from '../app/index.ts'
import { failed, isTenfoldError } from '../base/index.ts'
import type { Running, RunOptions } from '../runtime/index.ts'
import type { Topology } from '../topology/index.ts'

export type CommandOptions = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>
export type Values = Readonly<Record<string, string | boolean | undefined>>

/** What `tenfold.config.ts` exports by default: the application, how it runs, and what goes with it. */
export interface Config<A extends App<any, any, any> = App<any, any, any>> {
  readonly app: A
  readonly topology: Topology<A>
  /** Runs first, with what `options` found on the command line: throws what is wrong with it, in one sentence. */
  readonly check?: (given: { readonly values: Values }) => Promise<void>
  /** Runs once the data directory is ours, before anything else: such as what plays the world outside in an example. Closed last. */
  readonly before?: RunOptions['before']
  /** Runs after the migrations and before the first request, with what `options` found on the command line. */
  readonly prepare?: (running: { readonly call: Running['call']; readonly values: Values }) => Promise<void>
  /** What `start` takes beside its own, as `node:util`'s parseArgs describes it; `prepare` gets the values. */
  readonly options?: CommandOptions
  /** Lines to print once it is ready. */
  readonly ready?: (urls: Running['urls']) => readonly string[]
  /** Lines for `--help` about the application's own options. */
  readonly help?: string
}

/** The same value, held to its application by the compiler. */
export function defineConfig<A extends App<any, any, any>>(config: Config<A>): Config<A> { return config }

/** Where the configuration is, and the topology that is to take the place of its own. */
export interface ConfigPlace { readonly configPath: string; readonly topologyPath?: string | undefined }

/** The configuration, with another topology in the place of its own where a file of one is named. Errors: `usage` when there is none, or it does not load. */
export async function loadConfig({ configPath, topologyPath }: ConfigPlace): Promise<Config> {
  const config = await importConfig(relative(process.cwd(), configPath) || configPath)
  return topologyPath === undefined ? config : { ...config, topology: await readTopology(topologyPath) }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> { return value !== null && typeof value === 'object' && !Array.isArray(value) }

/** Topologies are plain data: what is wrong with this one says whoever uses it. */
export async function readTopology(path: string): Promise<Topology> {
  try {
    const found: unknown = JSON.parse(await readFile(path, 'utf8'))
    const topology = isObject(found) && 'topology' in found ? found['topology'] : found // as `tenfold topology --json` prints it
    if (isObject(topology)) return topology as unknown as Topology // of which kind its settings are is checked before they are used
    throw failed('usage', `${path} holds no topology: it is ${Array.isArray(topology) ? 'a list' : JSON.stringify(topology)?.slice(0, 40)}, and must be an object with a stage, as tenfold topology --json prints it.`)
  } catch (cause) {
    if (isTenfoldError(cause)) throw cause
    const { code, message } = cause as NodeJS.ErrnoException
    throw failed('usage', code === 'ENOENT' ? `There is no ${path}: name a file that holds a topology as JSON, as tenfold topology --json prints it.` : `${path} holds no topology: ${message}.`, { cause })
  }
}

async function importConfig(path: string): Promise<Config> {
  const url = pathToFileURL(resolve(path))
  try {
    const { default: config } = await import(url.href) as { default?: Config }
    if (!config?.app || !config.topology) throw failed('usage', `${path} does not export a configuration: write export default defineConfig({ app, topology }).`)
    return config
  } catch (error) {
    if (isTenfoldError(error)) throw error
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' && String(error).includes(url.pathname)
    throw failed('usage', missing ? `There is no ${path}: run tenfold where your tenfold.config.ts is, or name it with --config.` : `${path} cannot be loaded: ${placeOf(error as Error)}${(error as Error).message}`, { cause: error })
  }
}

/** Where in the sources it went wrong, as `app.ts:24: `; empty where Node does not say. */
function placeOf({ stack = '' }: Error): string {
  const [, url, line] = /^(file:\/\/.+?):(\d+)\n/.exec(stack) ?? /\(?(file:\/\/[^\s)]+?):(\d+):\d+\)?$/m.exec(stack) ?? []
  return url === undefined ? '' : `${relative(process.cwd(), fileURLToPath(url))}:${line}: `
}
