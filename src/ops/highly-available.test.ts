import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { assertNothingForgotten, highlyAvailable } from './highly-available.ts'

async function place(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-ha-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const [postgresDirectory, rigDirectory] = [join(directory, 'postgres'), join(directory, 'rig')]
  await mkdir(rigDirectory)
  const make = async (path: string) => { await mkdir(path, { recursive: true }); await writeFile(join(path, 'PG_VERSION'), '15\n') }
  return {
    rigDirectory, makeSingle: () => make(join(postgresDirectory, 'cluster')), makeMember: () => make(join(rigDirectory, 'member-2', 'postgres')),
    begin: (isWanted: boolean) => assertNothingForgotten({ highlyAvailable: isWanted, postgresDirectory, rigDirectory }),
    engines: (stage: 'split' | 'cached') => highlyAvailable({ stage: 4, topology: { stage: 'single' }, database: 'shop', postgresDirectory, role: { user: 'tenfold_app', password: 'p/w' }, directory, rigDirectory, highlyAvailable: true, archive: 'off' }, stage),
  }
}

test('rows in a cluster are not missed without it', async (context) => {
  const { begin, makeSingle, makeMember } = await place(context)
  await begin(true)
  await begin(false)
  await makeMember()
  await begin(true)
  await assert.rejects(begin(false), { code: 'start', message: /say --ha/ })
  await makeSingle()
  await begin(false)
})

test('a cluster whose making was broken off is made anew; one that is whole is left alone', async (context) => {
  const { begin, engines, makeMember, rigDirectory } = await place(context)
  const { prepare, areNew, keep } = engines('cached')
  await prepare?.()
  assert.equal(await areNew?.(), true)
  await makeMember() // and then the power fails
  await begin(false)
  await prepare?.()
  await assert.rejects(stat(join(rigDirectory, 'member-2')), { code: 'ENOENT' })
  await makeMember()
  await keep?.() // all run, and hold what stage 1 had
  assert.equal(await areNew?.(), false)
  await prepare?.()
  await stat(join(rigDirectory, 'member-2', 'postgres', 'PG_VERSION'))
})

test('an application is told all hosts in one, each replica, and no pooler; passwords are kept, private, and missed when they are gone', async (context) => {
  const { engines, makeMember, rigDirectory } = await place(context)
  const addressOf = (name: string) => `127.0.0.1:500${name.at(-1)}`
  const secrets = await engines('cached').secrets(addressOf)
  assert.match(secrets['primary'] ?? '', /^postgres:\/\/postgres:[\w-]{32}@127\.0\.0\.1:5001,127\.0\.0\.1:5002,127\.0\.0\.1:5003\/shop$/)
  assert.equal(secrets['member-3'], 'postgres://tenfold_app:p%2Fw@127.0.0.1:5003/shop')
  const { data } = engines('cached').topology((secret) => `file:/${secret}`)
  assert.deepEqual([data.primary, data.replicas, data.pooler], ['file:/primary', ['file:/member-1', 'file:/member-2', 'file:/member-3'], undefined])
  assert.equal(engines('split').topology((secret) => `file:/${secret}`).data.replicas, undefined)

  assert.deepEqual(await engines('cached').secrets(addressOf), secrets)
  const file = join(rigDirectory, 'cluster-passwords.json')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal(new Set(Object.values(JSON.parse(await readFile(file, 'utf8')) as object)).size, 3)
  await makeMember()
  await writeFile(file, '{"super')
  await assert.rejects(async () => await engines('cached').secrets(addressOf), { code: 'start', message: /damaged/ })
  await rm(file)
  await assert.rejects(async () => await engines('cached').secrets(addressOf), { code: 'start', message: /are gone/ })
})
