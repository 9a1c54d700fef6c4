import assert from 'node:assert/strict'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCommand } from '../../src/base/process.ts'
import { checkout, linkTenfold, temporaryFolder, tenfoldIn } from '../support/application.ts'
import { compile } from '../types/compiler.ts'
import { processesOf } from './processes.ts'
import { dataDirectory, finished, startShop } from './shop.ts'

test('a new application starts, answers its first query, passes its own test, and is what the compiler wants', async (context) => {
  const parent = await temporaryFolder(context)
  const made = await tenfoldIn(parent, ['new', 'my-notes'])
  assert.deepEqual([made.code, made.errors], [0, ''])
  assert.match(made.output, /^ {2}cd my-notes && npm install\n {2}npm start .*\n {2}npm run dev .*\n$/)
  const folder = join(parent, 'my-notes')
  const { name, scripts, dependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { name: string; scripts: Record<string, string>; dependencies: { tenfold: string } }
  assert.deepEqual([name, join(folder, dependencies.tenfold.replace('file:', ''))], ['my-notes', checkout])
  assert.equal(scripts['start'], 'exec node --conditions=tenfold:src node_modules/tenfold/src/cli/main.js start', 'which is what is started here')
  await linkTenfold(folder)
  await symlink(join(checkout, 'node_modules/@types'), join(folder, 'node_modules/@types'))

  const source = await readFile(join(folder, 'app.ts'), 'utf8')
  assert.match(source, /\n\nconst newest = notes\.query\(.*\n.*\n\)\n\n/, 'the first query is three lines')
  assert.match(source, /defineApp\('my-notes'/)
  assert.deepEqual((await compile(['-p', folder])).faults, [])

  const directory = await dataDirectory(context)
  const running = await startShop(directory, { folder })
  const notes = `${running.urls.web}/v1/notes`
  const first = await fetch(notes)
  assert.deepEqual([first.status, await first.json()], [200, []])
  const written = await fetch(notes, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"text":"hello"}' })
  assert.equal(written.status, 201)
  assert.deepEqual(await (await fetch(notes)).json(), [await written.json()])
  process.kill(running.pid, 'SIGTERM')
  assert.deepEqual([(await finished(running)).code, await processesOf(directory)], [0, []])

  const script = (scripts['test'] ?? '').replace('exec node', `exec '${process.execPath}'`)
  const tested = await runCommand('/bin/sh', ['-c', script], { cwd: folder })
  assert.equal(tested.code, 0, tested.output)
  assert.match(tested.output, /pass 1\n/)
  const checked = await tenfoldIn(folder, ['check'])
  assert.deepEqual([checked.code, checked.output.split('\n').at(-2)], [0, 'my-notes: no faults, 1 note'])
})

test('a folder that holds something, a name that is none, and a place where none can be are refused, and left as they were', async (context) => {
  const parent = await temporaryFolder(context)
  await mkdir(join(parent, 'used'))
  await writeFile(join(parent, 'used/mine.txt'), 'mine')
  for (const [place, words] of [['used', /is not empty \(it has mine\.txt\)/], ['used/mine.txt', /"mine\.txt" is no name/], ['My_Shop', /"My_Shop" is no name/], ['9lives', /is no name/], ['a'.repeat(51), /is no name/]] as const) {
    const refused = await tenfoldIn(parent, ['new', place])
    assert.deepEqual([refused.code, refused.output], [2, ''], place)
    assert.match(refused.errors, words)
    assert.match(refused.errors, /^tenfold: [^\n]+\.\n$/)
  }
  await writeFile(join(parent, 'file'), '')
  assert.match((await tenfoldIn(parent, ['new', 'file'])).errors, /^tenfold: \S+file is no folder \(ENOTDIR\): /)
  assert.match((await tenfoldIn(parent, ['new', 'file/below'])).errors, /^tenfold: \S+below is no folder \(ENOTDIR\): /)
  assert.equal((await tenfoldIn(parent, ['new'])).code, 2)
  await mkdir(join(parent, 'empty'))
  assert.equal((await tenfoldIn(parent, ['new', 'empty'])).code, 0)
})
