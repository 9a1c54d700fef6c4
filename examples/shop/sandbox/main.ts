/**
 * The outside world as one process: payment gateway, recommender and SMTP server, with switchable faults. `start.ts` starts it;
 * by hand: `node --conditions=tenfold:src main.ts '{"directory":"/tmp/sandbox"}'`, or the same JSON in SANDBOX_OPTIONS.
 * It prints one line of JSON: its urls when it is ready, or {error} when it cannot start.
 * It ends with its stdin, so that a parent killed outright leaves no orphan, and on SIGTERM.
 */
import { join } from 'node:path'
import { controlServer } from './control.ts'
import { startGateway } from './gateway.ts'
import { startMailbox } from './mailbox.ts'
import { startRecommender } from './recommender.ts'
import { listen } from './service.ts'

/** `directory` keeps charges and mails; ports not given are chosen; `slowMs` is how long the fault `slow` lasts (10 s). */
export interface SandboxOptions {
  directory: string
  ports?: { gateway?: number; recommender?: number; smtp?: number; control?: number }
  slowMs?: number
}

export interface SandboxUrls { gateway: string; recommender: string; smtp: string; control: string }

async function open(options: SandboxOptions): Promise<SandboxUrls> {
  const { directory, ports = {} } = options
  const slow = options.slowMs === undefined ? {} : { slowMs: options.slowMs }
  const gateway = await startGateway({ file: join(directory, 'charges.jsonl'), ...at(ports.gateway), ...slow })
  const recommender = await startRecommender({ ...at(ports.recommender), ...slow })
  const mailbox = await startMailbox({ file: join(directory, 'mails.jsonl'), ...at(ports.smtp) })
  const control = await listen(() => controlServer({ gateway, recommender, mailbox }), ports.control)
  return { gateway: gateway.url, recommender: recommender.url, smtp: mailbox.url, control: `http://127.0.0.1:${control.port}` }
}

function at(port: number | undefined): { port?: number } {
  return port === undefined ? {} : { port }
}

function readOptions(): SandboxOptions {
  const text = process.argv[2] ?? process.env['SANDBOX_OPTIONS'] ?? '{}'
  const options = JSON.parse(text) as Partial<SandboxOptions>
  if (typeof options.directory !== 'string') throw new Error('The sandbox needs {"directory": "..."} as its argument or in SANDBOX_OPTIONS.')
  return options as SandboxOptions
}

// The parent drains first, and still needs the gateway for that.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => process.exit(0))
for (const end of ['end', 'close', 'error']) process.stdin.on(end, () => process.exit(0))
process.stdin.resume()
// A parent that is gone reads no more; that alone is no reason to fail.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

try {
  console.log(JSON.stringify(await open(readOptions())))
} catch (error) {
  process.exitCode = 1
  process.stdout.write(`${JSON.stringify({ error: (error as Error).message })}\n`, () => process.exit())
}
