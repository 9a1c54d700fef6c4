import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { processesOf } from './processes.ts'
import { command, dataDirectory, finished, startShop } from './shop.ts'

test('the command line teaches, refuses in a sentence, and answers with exit codes that scripts can trust', async (context) => {
  const directory = await dataDirectory(context)
  const say = async (...args: string[]) => {
    const { code, stdout, stderr } = await finished(await command(directory, args))
    assert.doesNotMatch(stdout + stderr, /^\s+at .*[:/]|node:internal|Error:/m)
    return { code, stdout, stderr }
  }
  const help = await say('--help')
  assert.deepEqual([help.code, help.stderr], [0, ''])
  for (const word of ['tenfold start', 'tenfold migrate --dry-run', 'tenfold topology', '--config', 'Exit codes']) assert.ok(help.stdout.includes(word), word)
  const none = await say()
  assert.deepEqual([none.code, none.stdout], [2, help.stdout])
  for (const [name, words] of [['start', '--data FILE'], ['migrate', '--dry-run'], ['topology', '--json']] as const) {
    const page = await say(name, '--help')
    assert.deepEqual([page.code, page.stderr, page.stdout.includes(words)], [0, '', true], name)
  }
  assert.deepEqual(await say('strat'), { code: 2, stdout: '', stderr: 'tenfold: There is no command "strat": use start, migrate, topology, or tenfold --help.\n' })
  assert.deepEqual(await say('constructor'), { code: 2, stdout: '', stderr: 'tenfold: There is no command "constructor": use start, migrate, topology, or tenfold --help.\n' })
  assert.match((await say('--config', 'nowhere.ts', 'topology')).stderr, /^tenfold: There is no nowhere\.ts: [^\n]+\.\n$/)
  for (const wrong of [['migrate', '--dryrun'], ['topology', '--jsn'], ['start', '--dta', 'x.csv'], ['topology', 'extra'], ['start', '--quite'], ['--cofnig', 'x', 'topology']]) {
    const refused = await say(...wrong)
    assert.deepEqual([refused.code, refused.stdout], [2, ''], wrong.join(' '))
    assert.match(refused.stderr, /^tenfold: [^\n]+\.\n$/, wrong.join(' '))
  }

  const topology = await say('topology')
  assert.deepEqual([topology.code, topology.stderr], [0, ''])
  assert.match(topology.stdout, /^shop: stage 1 of 7, single [^]*\nvalid\n$/)
  const read = await say('topology', '--json')
  const { topology: { stage, data }, faults } = JSON.parse(read.stdout) as { topology: { stage: string; data: string }; faults: unknown[] }
  assert.deepEqual([read.code, read.stderr, stage, data, faults], [0, '', 'single', directory, []])
})

test('a dry run applies nothing, a migration everything, once; a start then migrates nothing', async (context) => {
  const directory = await dataDirectory(context)
  const migrate = async (...args: string[]) => await finished(await command(directory, ['migrate', ...args]))
  const tried = await migrate('--dry-run')
  assert.equal(tried.code, 0, tried.stderr)
  assert.match(tried.stdout, /^would apply {2}tenfold\/001-platform\.sql\n(would apply .*\n)+\d+ files, rolled back\n$/)
  const real = await migrate()
  assert.deepEqual([real.code, real.stdout], [0, tried.stdout.replaceAll('would apply', 'applied').replace(', rolled back', '')])
  const again = await migrate()
  assert.deepEqual([again.code, again.stdout, await processesOf(directory)], [0, 'nothing to apply\n', []])
  const shop = await startShop(directory)
  assert.doesNotMatch(shop.stderr(), /migrating/)
})

test('a file of products that is not there, or is none, is refused in a sentence; nothing is left running, and the next start is whole', async (context) => {
  const directory = await dataDirectory(context)
  const wrong = join(import.meta.dirname, 'shop.ts')
  const empty = `${directory}-empty.csv`
  await writeFile(empty, '')
  for (const file of ['/nowhere/file.csv', wrong, import.meta.dirname, empty]) {
    const { code, stdout, stderr } = await finished(await command(directory, ['start', '--data', file]))
    assert.deepEqual([code, stdout, await processesOf(directory)], [1, '', []], file)
    assert.match(stderr, /^tenfold: [^\n]+\n$/m, file)
    assert.doesNotMatch(stderr, /^\s+at .*[:/]|node:internal|Error:/m)
  }
  await startShop(directory)
})
