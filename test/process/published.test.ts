/** The package as npm installs it, packed here: what a stranger gets who has no checkout. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkout, temporaryFolder } from '../support/application.ts'
import { processesOf } from './processes.ts'
import { command, dataDirectory, finished, interrupt, startShop, until } from './shop.ts'

/** Nothing of ours: neither the package that npm test runs, nor that this is a test, nor its server. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_(package|lifecycle|command|config_local_prefix)|NODE_TEST|NODE_OPTIONS|TENFOLD_)/.test(name)))

function npm(folder: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile('npm', args, { cwd: folder, env: { ...environment, npm_config_fetch_timeout: '20000', npm_config_fetch_retries: '1' }, timeout: 90_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      resolve({ code: error ? typeof error.code === 'number' ? error.code : 1 : 0, output: stdout + stderr })
    })
  })
}

const install = ['install', '--prefer-offline', '--no-audit', '--no-fund']

const readManifest = async (folder: string) => JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string; dependencies: Record<string, string> }
const dependsOn = async (folder: string) => (await readManifest(folder)).dependencies['tenfold']
const { version } = await readManifest(checkout)

/** Each line is an error, unless the types of the package are none: then the compiler has nothing to say, and says that. */
const mistakes = `import { createData } from 'tenfold/data'
import { testApp } from 'tenfold/testing'
import { app } from './app.ts'
const client = (await testApp(app)).client()
// @ts-expect-error the text is no number
await client('POST /v1/notes', { text: 3 })
// @ts-expect-error there is no such route
await client('POST /v1/note', { text: 'a' })
// @ts-expect-error nor is what is answered
export const length: number = (await client('GET /v1/notes', {})).map(({ text }) => text)[0]
// @ts-expect-error a pool is no number
export const pool: number = createData<object>({ primary: 'env:DATABASE_URL' }).pool
`

const registry = await npm(checkout, 'view', 'acorn', 'version', '--fetch-retries=0')
const unreachable = registry.code !== 0 && /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/.exec(registry.output)?.[0]

test('the packed package installs, makes an application, and runs, tests, types and restarts it', { skip: unreachable && `npm reaches no registry (${unreachable})`, timeout: 240_000 }, async (context) => {
  const parent = await temporaryFolder(context)
  const packed = await npm(checkout, 'pack', '--json', '--silent', '--pack-destination', parent)
  assert.equal(packed.code, 0, packed.output)
  const [contents] = Object.values(JSON.parse(packed.output.slice(packed.output.search(/^[[{]/m))) as Record<string, { filename: string; size: number; files: { path: string }[] }>)
  assert.ok(contents && contents.size < 700_000, `${contents?.size} bytes`)
  const paths = contents.files.map(({ path }) => path)
  assert.deepEqual(paths.filter((path) => !/^(dist|docs\/guides|examples\/notes)\/|^[^/]+\.(md|json)$/.test(path) || /\.test\.(?!ts$)|^dist\/.*(?<!\.d)\.ts$/.test(path)), [])
  for (const path of ['dist/data/migrations/001-runs.sql', 'dist/auth/migrations/001-sessions.sql', 'dist/cli/main.js']) assert.ok(paths.includes(path), path)

  await writeFile(join(parent, 'package.json'), '{ "private": true }')
  const installed = await npm(parent, ...install, `./${contents.filename}`)
  assert.equal(installed.code, 0, installed.output)
  const made = await npm(parent, 'exec', '--', 'tenfold', 'new', 'my-notes')
  assert.equal(made.code, 0, made.output)
  const folder = join(parent, 'my-notes')
  assert.equal(await dependsOn(folder), `file:../${contents.filename}`)
  for (const file of ['package.json', 'tsconfig.json']) assert.doesNotMatch(await readFile(join(folder, file), 'utf8'), /tenfold:src/)
  const prepared = await npm(folder, ...install)
  assert.equal(prepared.code, 0, prepared.output)

  const record = join(parent, 'node_modules/.package-lock.json')
  await writeFile(record, (await readFile(record, 'utf8')).replace(`file:${contents.filename}`, 'https://registry.invalid/tenfold.tgz'))
  assert.equal((await npm(parent, 'exec', '--', 'tenfold', 'new', 'later')).code, 0)
  assert.equal(await dependsOn(join(parent, 'later')), version, 'of one that came from a registry')

  const directory = await dataDirectory(context)
  const started = await startShop(directory, { folder, executable: 'npm', environment: { TENFOLD_LOG: 'warn' } })
  const answered = await fetch(`${started.urls.web}/v1/notes`)
  assert.deepEqual([answered.status, await answered.json()], [200, []])
  assert.equal((await fetch(`${started.urls.web}/docs/swagger-ui.css`)).status, 200)
  interrupt(started)
  const ended = await finished(started)
  assert.deepEqual([ended.code, await processesOf(directory)], [0, []], ended.stderr)

  await writeFile(join(folder, 'mistakes.ts'), mistakes)
  for (const script of ['typecheck', 'test']) {
    const ran = await npm(folder, 'run', script)
    assert.equal(ran.code, 0, ran.output)
    if (script === 'test') assert.match(ran.output, /pass 1\n/)
  }
  const checked = await npm(folder, 'run', '--silent', 'tenfold', '--', 'check')
  assert.deepEqual([checked.code, checked.output.split('\n').at(-2)], [0, 'my-notes: no faults, 1 note'])

  const developed = await command(directory, ['run', 'dev'], { folder, executable: 'npm' })
  await until('it is ready', () => /^ready /m.test(developed.stdout()))
  await writeFile(join(folder, 'app.ts'), (await readFile(join(folder, 'app.ts'), 'utf8')).replace(`get('/notes'`, `get('/news'`))
  await until('the change answers', async () => await fetch(`${developed.urls.web}/v1/news`).then(({ status }) => status === 200, () => false))
  interrupt(developed)
  const left = await finished(developed)
  assert.deepEqual([left.code, await processesOf(directory)], [0, []], left.stderr)
})
