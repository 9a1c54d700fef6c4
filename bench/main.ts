/** `npm run bench`: every row, or those whose names contain one of the words given. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bouts } from './bouts.ts'
import { compete, type Options } from './compete.ts'
import { machine } from './machine.ts'
import { memory, memoryRows } from './memory.ts'
import { stopAll } from './processes.ts'
import { machineLines, page, plainTable, type Result, resultOf } from './report.ts'
import { needWrk } from './wrk.ts'

const help = `npm run bench -- [NAME...]   measures the rows whose names contain one of these; all without

  --rounds N      rounds of each contender (3, at least 3)
  --seconds N     seconds of a round (3)
  --soak N        seconds of each of the two periods of load after which memory is looked at (20)
  --json          one object a row on standard output, and nothing else: npm run --silent bench -- --json
  --write         writes docs/benchmarks.md
  --profile DIR   writes a CPU profile of ours in each bout there
  --list          names the rows
`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: {
    rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '3' }, soak: { type: 'string', default: '20' }, json: { type: 'boolean' }, write: { type: 'boolean' },
    profile: { type: 'string' }, list: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
  } })
  const names = [...bouts.flatMap(({ rows }) => rows.map(({ name }) => name)), ...memoryRows]
  const wanted = names.filter((name) => positionals.length === 0 || positionals.some((word) => name.includes(word)))
  if (values.help || values.list) { process.stdout.write(values.help ? help : `${names.join('\n')}\n`); return 0 }
  if (wanted.length === 0) { process.stderr.write(`No row is named ${positionals.join(' or ')}: --list names them.\n`); return 1 }
  const numbers = { rounds: whole(values.rounds, 'rounds', 3), seconds: whole(values.seconds, 'seconds', 1), soak: whole(values.soak, 'soak', 1) }
  installPeers()
  needWrk()
  const about = await machine()
  const say = (text: string) => process.stderr.write(`  ${text}\n`)
  const scratch = mkdtempSync(join(tmpdir(), 'tenfold-bench-'))
  const sink = await startSink()
  const cleanUp = async () => { await stopAll(); sink.close(); rmSync(scratch, { recursive: true, force: true }) }
  let interrupted = false
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { interrupted = true; void cleanUp().then(() => process.exit(130)) })
  if (!values.json) process.stdout.write(`${machineLines(about).join('\n')}\n\n`)
  const options: Options = { ...numbers, scratch, sink: sink.url, profileTo: values.profile === undefined ? undefined : resolve(values.profile), say }
  try {
    const results = await measure(wanted, numbers.soak, options, (result) => { if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`) })
    if (!values.json) process.stdout.write(`\n${plainTable(results)}\n`)
    if (values.write) writeFileSync(join(import.meta.dirname, '..', 'docs', 'benchmarks.md'), page(results, about, ['npm run bench --', ...process.argv.slice(2)].join(' '), new Date().toISOString().slice(0, 10)))
    return 0
  } catch (error) {
    // Ended on purpose, its contenders fall over: nothing of that is news.
    if (interrupted) await new Promise(() => {})
    throw error
  } finally {
    await cleanUp()
  }
}

async function measure(wanted: readonly string[], soakSeconds: number, options: Options, tell: (result: Result) => void): Promise<Result[]> {
  const results: Result[] = []
  const add = (found: readonly Result[]) => { results.push(...found); found.forEach(tell) }
  for (const bout of bouts) {
    const rows = bout.rows.filter(({ name }) => wanted.includes(name))
    if (rows.length === 0) continue
    options.say(rows.map(({ name }) => name).join(' · '))
    const needed = new Set(rows.flatMap(({ ours = 'ours', peer = [] }) => [ours, peer].flat()))
    const figures = await compete(bout, Object.keys(bout.entrants).filter((name) => needed.has(name)), options)
    add(rows.map((row) => resultOf(bout, row, figures)))
  }
  if (memoryRows.some((name) => wanted.includes(name))) {
    options.say(memoryRows.join(' · '))
    add(await memory(soakSeconds, options))
  }
  return results
}

/** The peers are installed once, and again after their lock file has changed. */
function installPeers(): void {
  const [lock, installed] = [join(import.meta.dirname, 'package-lock.json'), join(import.meta.dirname, 'node_modules', '.package-lock.json')]
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: import.meta.dirname, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('The peers could not be installed: see what npm says above, and start again.')
}

/** Stands in for an OpenTelemetry collector on this machine: takes what comes. */
async function startSink(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => { request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{}')) })
  await new Promise<void>((listening) => { server.listen(0, '127.0.0.1', listening) })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close() { server.close(); server.closeAllConnections() } }
}

function whole(text: string, name: string, least: number): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least) return number
  process.stderr.write(`--${name} is ${text}: give a whole number from ${least} on.\n`)
  process.exit(1)
}

process.exitCode = await main()
