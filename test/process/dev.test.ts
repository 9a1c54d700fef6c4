import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { runCommand } from '../../src/base/process.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { checkout, linkTenfold, temporaryFolder, tenfoldIn, tenfoldMain } from '../support/application.ts'
import { postmasterOf, processesOf } from './processes.ts'
import { type Command, command, dataDirectory, finished, interrupt, until } from './shop.ts'

interface Development { readonly folder: string; readonly directory: string; readonly running: Command; readonly url: string; edit(file: string, change: (text: string) => string): Promise<void> }

/** A new application under `tenfold dev`. */
async function developed(context: TestContext, environment: Readonly<Record<string, string>> = {}): Promise<Development> {
  const parent = await temporaryFolder(context)
  assert.equal((await tenfoldIn(parent, ['new', 'my-notes'])).code, 0)
  const folder = join(parent, 'my-notes')
  await linkTenfold(folder)
  for (const name of ['@types', 'typescript']) await symlink(join(checkout, 'node_modules', name), join(folder, 'node_modules', name))
  const directory = await dataDirectory(context)
  const running = await command(directory, ['dev'], { folder, environment })
  await until('it is ready', () => /^ready /m.test(running.stdout()))
  return { folder, directory, running, url: `${running.urls.web}/v1`, edit: async (file, change) => writeFile(join(folder, file), change(await readFile(join(folder, file), 'utf8'))) }
}

const statusOf = (url: string) => fetch(url).then(({ status }) => status, () => undefined)
const gone = (running: Command) => until('its port is free', async () => await statusOf(running.urls.web) === undefined)

/** Neither an application, nor one that stands by, nor the compiler. */
const nothingRunsIn = (folder: string) => until('none of its processes is left', async () => (await runCommand('pgrep', ['-f', folder])).code === 1)

test('a change answers at once, the database stays, faults are told and waited out, and Ctrl-C leaves nothing', async (context) => {
  const { folder, directory, running, url, edit } = await developed(context)
  assert.equal((await fetch(`${url}/notes`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"text":"kept"}' })).status, 201)
  const server = await postmasterOf(directory)

  const times: number[] = []
  for (const [from, to] of [['/notes', '/news'], ['/news', '/newest'], ['/newest', '/notes']] as const) {
    const began = performance.now()
    await edit('app.ts', (text) => text.replace(`get('${from}'`, `get('${to}'`))
    await until(`${to} answers`, async () => await statusOf(`${url}${to}`) === 200)
    times.push(Math.round(performance.now() - began))
  }
  context.diagnostic(`from saving to the new answer: ${times.join(', ')} ms`)
  assert.deepEqual((await (await fetch(`${url}/notes`)).json() as { text: string }[]).map(({ text }) => text), ['kept'])
  assert.equal(await postmasterOf(directory), server)

  const good = await readFile(join(folder, 'app.ts'), 'utf8')
  await edit('app.ts', (text) => `${text}const x = = 3\n`)
  await until('the syntax error is told', () => running.stderr().includes('what ran before goes on'))
  assert.match(running.stderr(), /^tenfold: tenfold\.config\.ts cannot be loaded: app\.ts:24: Expression expected$/m)
  assert.equal(await statusOf(`${url}/notes`), 200)
  await edit('app.ts', () => `${good}export const wrong: string = 3\n`)
  await until('the type error is told', () => /app\.ts\(24,14\): error TS2322/.test(running.stderr()))
  await edit('app.ts', () => good)
  await until('it is told that they are gone', () => running.stderr().includes('the types are right again'))

  // The same statement for each of a list: told once, with the line.
  await edit('app.ts', (text) => text.replace(`output: t.Array(Note) }).handle((ctx) =>\n`, `output: t.Array(Note) }).handle(async (ctx) => {\n  for (let nth = 0; nth < 7; nth++) await ctx.db.selectFrom('notes').select('text').where('text', '=', String(nth)).execute()\n  return (\n`).replace('limit(100).execute(),\n)', 'limit(100).execute())\n})'))
  const line = (await readFile(join(folder, 'app.ts'), 'utf8')).split('\n').findIndex((text) => text.includes('nth < 7')) + 1
  await until('it is told', async () => { await statusOf(`${url}/notes`); return running.stderr().includes('N+1: ') })
  assert.match(running.stderr(), new RegExp(`^  N\\+1: notes\\.newest sends the same statement for the 5th time in one request, at app\\.ts:${line}: select "text" from "notes"`, 'm'))
  await edit('app.ts', () => good)

  await writeFile(join(folder, 'migrations/002-more.sql'), 'alter table notes add column more text;\n')
  await until('the migration is applied', () => running.stderr().includes('migrating notes/002-more.sql'))
  await until('it answers', async () => await statusOf(`${url}/notes`) === 200)
  assert.doesNotMatch(running.stdout() + running.stderr(), /^\s+at .*[:/]|node:internal/m)

  interrupt(running)
  const { code, signal, stderr } = await finished(running)
  assert.deepEqual([code, signal, await processesOf(directory), await statusOf(`${url}/notes`)], [0, null, [], undefined], stderr)
  await nothingRunsIn(folder)
})

test('a change in the midst of a start, an application that cannot start, and the death of either process leave nothing behind', async (context) => {
  const { folder, directory, running, url, edit } = await developed(context)
  const server = await postmasterOf(directory)
  for (let nth = 0; nth < 5; nth++) {
    await edit('app.ts', (text) => `${text}// ${nth}\n`)
    await until('it is seen', () => running.stderr().split('app.ts has changed').length > nth + 1)
  }
  await edit('app.ts', (text) => text.replace(`get('/notes'`, `get('/calm'`))
  await until('the last change answers', async () => await statusOf(`${url}/calm`) === 200)

  await writeFile(join(folder, 'migrations/002-wrong.sql'), 'alter table nowhere add column more text;\n')
  await until('the fault is told', () => /002-wrong\.sql.*nowhere/.test(running.stderr()) && /exit code 1: waiting for the next change/.test(running.stderr()))
  await writeFile(join(folder, 'migrations/002-wrong.sql'), 'alter table notes add column more text;\n')
  await until('it answers again', async () => await statusOf(`${url}/calm`) === 200)
  assert.equal(await postmasterOf(directory), server)

  process.kill(server, 'SIGKILL')
  await until('Postgres is brought back', async () => await postmasterOf(directory).catch(() => server) !== server && await statusOf(`${url}/calm`) === 200)
  await edit('app.ts', (text) => text.replace(`get('/calm'`, `get('/after'`))
  await until('a change answers after that too', async () => await statusOf(`${url}/after`) === 200)

  process.kill(running.pid, 'SIGKILL')
  await running.ended
  await gone(running)
  await until('nothing is left', async () => (await processesOf(directory)).length === 0)
  await nothingRunsIn(folder)
})

test('an application that comes when its tenfold dev is gone already starts nothing', async (context) => {
  const parent = await temporaryFolder(context)
  const dead = spawn('true')
  await once(dead, 'close')
  const orphan = spawn(process.execPath, ['--conditions=tenfold:src', tenfoldMain, 'start'], { cwd: parent, stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: { ...process.env, TENFOLD_SUPERVISOR: String(dead.pid) } })
  let errors = ''
  orphan.stderr?.setEncoding('utf8').on('data', (part: string) => { errors += part })
  assert.deepEqual(await once(orphan, 'close'), [1, null])
  assert.equal(errors, 'tenfold: The tenfold dev that ran this application is gone.\n')
})

test('what stands behind it is looked at as tenfold start looks at it, and a place without an application is refused', async (context) => {
  const parent = await temporaryFolder(context)
  const refused = await tenfoldIn(parent, ['dev'])
  assert.deepEqual([refused.code, refused.output], [2, ''])
  assert.match(refused.errors, /^tenfold: There is no \S+tenfold\.config\.ts: /)
  const directory = await dataDirectory(context)
  const shop = await command(directory, ['dev', '--dta', 'x.csv'])
  await until('it is refused', () => shop.stderr().includes('exit code 2: waiting for the next change'))
  assert.match(shop.stderr(), /^tenfold: Unknown option '--dta'/m)
  process.kill(shop.pid, 'SIGTERM')
  assert.equal((await finished(shop)).code, 0)
})

test('a configuration whose topology names servers runs on them, and keeps no Postgres of its own beside', async (context) => {
  const server = await startPostgres({ directory: join(await temporaryFolder(context), 'elsewhere'), durable: false })
  context.after(() => server.stop())
  const { directory, running, url, edit } = await developed(context, { SECRET: 'for this test alone, and long enough', DATABASE_URL: `postgres://${server.user}:${encodeURIComponent(server.password)}@${server.host}:${server.port}/postgres` })
  await postmasterOf(directory)
  const own = /stage: 'single', data: .*?, ports:/
  const elsewhere = `stage: 'split', secret: 'env:SECRET', directory: TENFOLD_DATA, data: { engine: 'postgres', primary: 'env:DATABASE_URL', pool: { max: 4, waitMs: 2_000 } }, ports:`
  const readyTimes = () => running.stdout().match(/^ready /gm)?.length ?? 0
  let kept = ''
  await edit('tenfold.config.ts', (text) => { kept = own.exec(text)?.[0] ?? ''; return text.replace(own, elsewhere) })
  await until('it runs there', () => readyTimes() === 2)
  assert.equal((await fetch(`${url}/notes`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"text":"there"}' })).status, 201)
  await assert.rejects(postmasterOf(directory), /No Postgres works/)
  await edit('tenfold.config.ts', (text) => text.replace(elsewhere, kept))
  await until('it is back', () => readyTimes() === 3)
  assert.deepEqual(await (await fetch(`${url}/notes`)).json(), [])
  await postmasterOf(directory)
  interrupt(running)
  assert.equal((await finished(running)).code, 0)
})
