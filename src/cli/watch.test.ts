import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { waitFor } from '../base/process.ts'
import { temporaryFolder } from '../../test/support/application.ts'
import { watchSources } from './watch.ts'

test('every change of a source is told, wherever and however it happens, and no other', async (context) => {
  const folder = await temporaryFolder(context)
  for (const directory of ['deep/deeper', 'node_modules/lib', '.tenfold']) await mkdir(join(folder, directory), { recursive: true })
  await writeFile(join(folder, 'app.ts'), '')
  const told = new Set<string>()
  const stop = watchSources(folder, (file) => told.add(file))
  context.after(stop)
  const tells = async (file: string, change: () => Promise<unknown>) => {
    told.clear()
    await change()
    assert.ok(await waitFor(() => told.has(file) || undefined, { timeoutMs: 5_000 }), `${file}: ${[...told].join()}`)
  }
  const write = (file: string) => () => writeFile(join(folder, file), 'x')
  await tells('app.ts', () => appendFile(join(folder, 'app.ts'), '1'))
  await tells('deep/deeper/one.sql', write('deep/deeper/one.sql'))
  await tells('app.ts', async () => { await write('app.ts~')(); await rename(join(folder, 'app.ts~'), join(folder, 'app.ts')) })
  await tells('new/two.ts', async () => { await mkdir(join(folder, 'new')); await write('new/two.ts')() })
  await tells('new/two.ts', write('new/two.ts'))
  await tells('new/two.ts', () => rm(join(folder, 'new'), { recursive: true }))
  await tells('new/three.ts', async () => { await mkdir(join(folder, 'new')); await write('new/three.ts')() })
  await tells('new/three.ts', write('new/three.ts'))
  await tells('new/four.ts', async () => { // before anybody can hear that it was gone
    rmSync(join(folder, 'new'), { recursive: true })
    mkdirSync(join(folder, 'new'))
    writeFileSync(join(folder, 'new/four.ts'), 'x')
  })
  await tells('new/four.ts', write('new/four.ts'))
  await tells('last.ts', async () => {
    for (const file of ['node_modules/lib/index.ts', '.tenfold/data.ts', 'deep/notes.txt', '.hidden', 'app.tsbuildinfo']) await write(file)()
    await write('last.ts')()
  })
  assert.deepEqual([...told], ['last.ts'])
})
