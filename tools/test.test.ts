import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { closingLine, readCounts } from './test/counts.ts'
import { hasRoom } from './test/memory.ts'

const passing = `import { test } from 'node:test'\ntest('passes', () => {})\n`
const failing = `import { test } from 'node:test'\ntest('fails', () => { throw new Error('no') })\n`
const skipping = `import { test } from 'node:test'\ntest('is skipped', { skip: 'why' }, () => {})\n`
const open = `import { test } from 'node:test'\ntest('leaves a timer', () => { setInterval(() => {}, 1000) })\n`
const blocking = `import { test } from 'node:test'\ntest('blocks', () => { console.log('it blocks'); for (;;); })\n`
const waiting = `import { test } from 'node:test'\ntest('waits', async () => { console.log('it waits'); setInterval(() => {}, 1000); await new Promise(() => {}) })\n`
const server = `export async function startTestServer() {\n  console.log('server up')\n  return { primary: { port: 1 }, replica: 2, stop: async () => console.log('server down') }\n}\n`
const asking = `import assert from 'node:assert'\nimport { test } from 'node:test'\ntest('asks', () => {
  assert.equal(process.env.TENFOLD_TEST_SERVER, '{"primary":{"port":1},"replica":2}')\n  assert.equal(process.env.TENFOLD_SEED, '42')\n})\n`

type Tree = Record<string, string>

function start(context: TestContext, tree: Tree, args: string[] = [], environment: NodeJS.ProcessEnv = {}): { child: ChildProcess; output: () => string } {
  const root = mkdtempSync(join(tmpdir(), 'test-'))
  context.after(() => rmSync(root, { recursive: true }))
  const scripts = { typecheck: 'echo types', lint: 'echo lint', tidy: 'echo tidy' }
  for (const [path, text] of Object.entries({ 'package.json': JSON.stringify({ type: 'module', scripts }), ...tree })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const { NODE_TEST_CONTEXT: _, ...ours } = process.env
  const child = spawn(process.execPath, [join(import.meta.dirname, 'test.ts'), ...args], { cwd: root, env: { ...ours, TENFOLD_TEST_GRACE_MS: '500', ...environment } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
  return { child, output: () => output }
}

async function run(context: TestContext, tree: Tree, args: string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const { child, output } = start(context, tree, args, environment)
  const [code] = await once(child, 'close') as [number]
  return { code, output: output(), lastLine: output().trimEnd().split('\n').at(-1) }
}

test('all that passes is counted, static checks too, and the server is up meanwhile', async (context) => {
  const { code, output, lastLine } = await run(context, { 'src/one.test.ts': passing, 'test/deep/two.test.ts': asking, 'src/testing/server.ts': server, 'examples/node_modules/x.test.ts': failing }, [], { TENFOLD_SEED: '42' })
  assert.deepEqual([code, lastLine], [0, '5 passed, 0 failed'], output)
  assert.match(output, /seed 42: repeat with TENFOLD_SEED=42 npm test\n[^]*types[^]*lint[^]*tidy[^]*test files: 2\nserver up\n[^]*server down\n/)
})

test('files are in memory while it runs, where there is room; what a killed run left there goes; TMPDIR says another place', { skip: !hasRoom() && 'there is no room in memory' }, async (context) => {
  const { pid: gone, status } = spawnSync('true')
  assert.equal(status, 0)
  const left = `/dev/shm/tenfold-tests-${gone}-left`
  mkdirSync(left)
  context.after(() => rmSync(left, { recursive: true, force: true }))
  const telling = `import { tmpdir } from 'node:os'\nimport { test } from 'node:test'\ntest('tells', () => console.log('files in ' + tmpdir() + '.'))\n`
  const { output, code } = await run(context, { 'src/one.test.ts': telling }, [], { TMPDIR: undefined })
  const [, folder = ''] = /files in (\/dev\/shm\/tenfold-tests-\d+-\w+)\./.exec(output) ?? []
  assert.deepEqual([code, folder !== '', existsSync(folder), existsSync(left)], [0, true, false, false], output)
  assert.match((await run(context, { 'src/one.test.ts': telling }, [], { TMPDIR: '/var/tmp' })).output, /files in \/var\/tmp\./)
})

test('a failing or skipped test is counted', async (context) => {
  const { code, output, lastLine } = await run(context, { 'src/one.test.ts': passing, 'src/two.test.ts': failing, 'src/three.test.ts': skipping })
  assert.deepEqual([code, lastLine], [1, '4 passed, 1 failed, 1 skipped'], output)
  assert.match(output, /seed (\d+): repeat with TENFOLD_SEED=\1 npm test\n/)
})

test('words choose files, and leave the static checks out', async (context) => {
  const { code, output, lastLine } = await run(context, { 'src/one.test.ts': passing, 'src/two.test.ts': failing }, ['one', 'nothing'])
  assert.deepEqual([code, lastLine], [0, '1 passed, 0 failed'], output)
})

test('every static check runs, and no test when one fails', async (context) => {
  const scripts = { typecheck: 'exit 2', lint: 'echo linted', tidy: 'exit 1' }
  const { code, output, lastLine } = await run(context, { 'package.json': JSON.stringify({ scripts }), 'src/one.test.ts': passing })
  assert.deepEqual([code, lastLine], [1, '1 passed, 2 failed'], output)
  assert.match(output, /linted[^]*typecheck and tidy failed, so no test was run/)
})

test('no test at all is a failure', async (context) => {
  const runs = await Promise.all([run(context, {}, ['one']), run(context, { 'src/empty.test.ts': 'export {}' }, ['empty']), run(context, { 'src/skipped.test.ts': skipping }, ['skipped'])])
  assert.deepEqual(runs.map(({ code, lastLine }) => [code, lastLine]), [[1, '0 passed, 1 failed'], [1, '0 passed, 1 failed'], [1, '0 passed, 1 failed, 1 skipped']])
})

test('a server that does not start is said, and the tests run', async (context) => {
  const { code, output } = await run(context, { 'src/one.test.ts': passing, 'src/testing/server.ts': `export async function startTestServer() { throw new Error('port taken') }` }, ['one'])
  assert.equal(code, 0, output)
  assert.match(output, /No shared test server: it failed to start: port taken/)
})

test('what a file leaves open, or blocks, ends the run and fails it', async (context) => {
  const [left, blocked] = await Promise.all([
    run(context, { 'src/one.test.ts': open }, ['one']), run(context, { 'src/one.test.ts': blocking, 'src/testing/server.ts': server }, ['one'], { TENFOLD_TEST_SILENCE_MS: '2000' })])
  assert.deepEqual([left.code, left.lastLine], [1, '1 passed, 1 failed'], left.output)
  assert.match(left.output, /one\.test\.ts is done, but 0\.5 s later its process still runs: close what it opened \(Timeout\)/)
  assert.deepEqual([blocked.code, blocked.lastLine], [1, '0 passed, 1 failed'], blocked.output)
  assert.match(blocked.output, /No test has said anything for 2 s[^]*one\.test\.ts[^]*server down/)
})

test('an interrupt stops the tests and the server', async (context) => {
  const { child, output } = start(context, { 'src/one.test.ts': waiting, 'src/testing/server.ts': server }, ['one'])
  while (!output().includes('it waits')) await once(child.stdout!, 'data')
  child.kill('SIGINT')
  const [code] = await once(child, 'close') as [number]
  assert.equal(code, 130, output())
  assert.match(output(), /server down\nStopped by SIGINT\.\n0 passed, 1 failed\n$/)
})

test('counting', () => {
  const counts = { tests: 5, passed: 2, failed: 1, cancelled: 1, skipped: 1, todo: 0 }
  assert.deepEqual(readCounts(`\n\n${JSON.stringify({ counts })}\n`), { counts: { passed: 2, failed: 2, skipped: 1 }, filesWithoutTests: [] })
  assert.equal(readCounts('\n\n'), undefined)
  assert.equal(closingLine({ passed: 1, failed: 2, skipped: 3 }), '1 passed, 2 failed, 3 skipped')
})
