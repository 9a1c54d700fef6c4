/**
 * The whole check: `npm test`. First what needs nothing to run (types, lint, tidy), all of it; then, if that holds, every test.
 * `npm test -- cache limit` runs only the test files whose path contains one of these words, `--flags` go on to `node --test`.
 * The last line is always `N passed, N failed`, with `, N skipped` when any, where each static check counts as one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { closingLine, type Counts, readCounts } from './test/counts.ts'
import { installEngines } from './test/engines.ts'
import { keepInMemory } from './test/memory.ts'

interface TestServer { readonly primary: unknown; readonly replica: unknown; stop(): Promise<void> }

const staticChecks = ['typecheck', 'lint', 'tidy']
const testFiles = '{src,examples,test,tools}/**/*.test.ts'
const concurrency = 2
/** The longest files wait for engines more than they work: they run beside others, and not alone at the end. */
const mostlyWaits = (file: string) => file.startsWith('test/stages/')
const testTimeoutMs = 120_000
/** Longer than a test and its hook may take without a word. */
const silenceMsMax = Number(process.env['TENFOLD_TEST_SILENCE_MS'] ?? 2 * testTimeoutMs + 30_000)
const serverMsMax = 60_000
const killAfterMs = 10_000

let running: { child: ChildProcess; group: boolean } | undefined
let stoppedBy: NodeJS.Signals | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {
  stoppedBy ??= signal
  stopRunning()
})

const forget = keepInMemory(process.env)
const code = await main(process.argv.slice(2)).finally(forget)
process.exit(code) // whatever the test server may have left open

async function main(args: readonly string[]): Promise<number> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  if (Number(process.versions.node.split('.')[0]) < 24) {
    console.log(`This is Node ${process.versions.node}, and Tenfold needs 24.12 or newer: run npm ci, which brings it, and then npm test, which finds it.`)
    counts.failed = 1
  } else {
    const seed = process.env['TENFOLD_SEED'] ?? String(randomInt(2 ** 31))
    console.log(`seed ${seed}: repeat with TENFOLD_SEED=${seed} npm test`)
    if (args.length === 0) await runStaticChecks(counts)
    if (counts.failed === 0 && !stoppedBy && existsSync('src/ops/rig/programs.ts')) await installEngines(process.cwd())
    if (counts.failed === 0 && !stoppedBy) await runTests(args, { ...process.env, TENFOLD_SEED: seed }, counts)
    if (stoppedBy) {
      console.log(`Stopped by ${stoppedBy}.`)
      counts.failed ||= 1
    }
  }
  console.log(closingLine(counts))
  if (stoppedBy) return 128 + constants.signals[stoppedBy]
  return counts.failed > 0 ? 1 : 0
}

/** All of them, even after one has failed: each tells something else. They are the scripts of package.json. */
async function runStaticChecks(counts: Counts): Promise<void> {
  const failed: string[] = []
  for (const check of staticChecks) {
    if (stoppedBy) return
    console.log(`\n${check}`)
    const startedAt = performance.now()
    const passed = await run(['--run', check], process.env) === 0
    console.log(`${check} ${passed ? 'passed' : 'failed'} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    if (passed) counts.passed += 1
    else failed.push(check)
  }
  counts.failed += failed.length
  if (failed.length > 0 && !stoppedBy) console.log(`\n${failed.join(' and ')} failed, so no test was run. Run npm run ${failed[0]} alone, or a test with npm test -- <part of its file's name>.`)
}

async function runTests(args: readonly string[], environment: NodeJS.ProcessEnv, counts: Counts): Promise<void> {
  const words = args.filter((arg) => !arg.startsWith('--'))
  const files = globSync(testFiles, { exclude: (name) => /(^|\/)(node_modules|dist)$/.test(name) }).filter((file) => words.length === 0 || words.some((word) => file.includes(word))).toSorted((one, other) => Number(mostlyWaits(other)) - Number(mostlyWaits(one)) || (one < other ? -1 : 1))
  if (files.length === 0) {
    console.log(`\nThere is no test file ${words.length > 0 ? `whose path contains ${words.join(' or ')}` : `(${testFiles})`}.`)
    counts.failed += 1
    return
  }
  console.log(`\ntest files: ${files.length}`)
  const server = await startServer()
  const directory = mkdtempSync(join(tmpdir(), 'tenfold-test-'))
  const report = join(directory, 'report')
  try {
    if (stoppedBy) return
    const shared = server ? { TENFOLD_TEST_SERVER: JSON.stringify({ primary: server.primary, replica: server.replica }) } : {}
    const stopWatching = watchForSilence(report)
    const exitCode = await run([...testFlags(report), ...args.filter((arg) => arg.startsWith('--')), ...files], { ...environment, ...shared }, true)
    stopWatching()
    count(existsSync(report) ? readFileSync(report, 'utf8') : '', exitCode, counts)
  } finally {
    await within(serverMsMax, server?.stop()).catch((error: unknown) => console.log(`The test server did not stop: ${messageOf(error)}`))
    rmSync(directory, { recursive: true })
  }
}

function testFlags(report: string): string[] {
  const ours = (name: string) => pathToFileURL(join(import.meta.dirname, 'test', name)).href
  return [
    '--test', '--conditions=tenfold:src', `--test-concurrency=${concurrency}`, `--test-timeout=${testTimeoutMs}`, `--import=${ours('left-open.ts')}`,
    '--test-reporter=spec', '--test-reporter-destination=stdout', `--test-reporter=${ours('counts.ts')}`, `--test-reporter-destination=${report}`,
  ]
}

function count(report: string, exitCode: number, counts: Counts): void {
  const read = readCounts(report)
  if (!read) console.log('The test run ended before its summary.')
  for (const file of read?.filesWithoutTests ?? []) console.log(`${file} has no test: give it one, or take it away.`)
  counts.passed += read?.counts.passed ?? 0
  counts.skipped += read?.counts.skipped ?? 0
  const failed = read?.counts.failed ?? 1
  if (read && read.counts.passed + failed === 0) console.log('No test was run.')
  // A suite can fail with no test of it failing, and a run in which no test ran says nothing.
  counts.failed += failed > 0 || (exitCode === 0 && read && read.counts.passed > 0) ? failed : 1
}

/** One Postgres with a replica for all test files: each makes databases of its own in it. */
async function startServer(): Promise<TestServer | undefined> {
  const path = join(process.cwd(), 'src/testing/server.ts')
  if (!existsSync(path)) {
    console.log('No shared test server: src/testing/server.ts is not there. Tests that need it start their own, or fail.')
    return undefined
  }
  try {
    const { startTestServer } = await import(pathToFileURL(path).href) as { startTestServer(): Promise<TestServer> }
    const startedAt = performance.now()
    const server = await within(serverMsMax, startTestServer())
    console.log(`test server started in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    return server
  } catch (error) {
    console.log(`No shared test server: it failed to start: ${messageOf(error)}. Tests that need it start their own, or fail.`)
    return undefined
  }
}

/** Answers its exit code. The tests are a process group of their own, so that one signal reaches all that they have started. */
function run(args: readonly string[], environment: NodeJS.ProcessEnv, group = false): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], env: environment, detached: group })
    running = { child, group }
    child.on('error', (error) => { console.log(messageOf(error)); resolve(1) })
    child.on('exit', (exitCode) => {
      running = undefined
      if (group && child.pid) signalTo(-child.pid, 'SIGTERM') // engines that a crashed test left behind
      resolve(exitCode ?? 1)
    })
  })
}

/** An interrupt, since `node --test` then names the files that it was running. */
function stopRunning(): void {
  if (!running) return
  const { child, group } = running
  const { pid } = child
  if (!pid) return
  const target = group ? -pid : pid
  signalTo(target, 'SIGINT')
  setTimeout(() => running?.child === child && signalTo(target, 'SIGKILL'), killAfterMs).unref()
}

/** A negative number is a process group. */
function signalTo(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal)
  } catch {
    // It is gone already.
  }
}

/** A test that blocks its process stops its own time limit too. */
function watchForSilence(report: string): () => void {
  let [size, since] = [-1, performance.now()]
  const timer = setInterval(() => {
    const now = existsSync(report) ? statSync(report).size : -1
    if (now !== size) [size, since] = [now, performance.now()]
    else if (performance.now() - since > silenceMsMax) {
      console.log(`\nNo test has said anything for ${silenceMsMax / 1000} s: stopping. The files below were running.`)
      since = Infinity
      stopRunning()
    }
  }, 1000)
  return () => clearInterval(timer)
}

function within<T>(limitMs: number, work: Promise<T> | undefined): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error(`it took over ${limitMs / 1000} s`)), limitMs) })
  return Promise.race([Promise.resolve(work), late]).finally(() => clearTimeout(timer))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
