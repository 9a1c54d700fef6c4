import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Random, systemClock, systemRandom } from '../../base/index.ts'
import { startPostgres } from '../rig/postgres.ts'
import { folderStore } from './drivers/folder.ts'
import { type Fixture, startFixture } from './backup.fixture.ts'
import { listBackups, partKey } from './manifest.ts'
import { planRestore, readTarget } from './plan.ts'
import { recover, settle } from './recover.ts'
import { removeOld } from './retention.ts'
import { adminSession } from './session.ts'
import type { BackupStore } from './store.ts'
import { takeBackup } from './take.ts'
import { verifyStore } from './verify.ts'
import { segmentName, numberOf, walKey } from './wal.ts'

/** A program that dies, as kill -9 does it, when its store is asked this for such a key. */
async function dying(body: string, method: 'put' | 'get', key: string): Promise<void> {
  const from = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)
  const script = `
    import { folderStore } from ${from('./drivers/folder.ts')}
    import { takeBackup } from ${from('./take.ts')}
    import { planRestore } from ${from('./plan.ts')}
    import { recover } from ${from('./recover.ts')}
    import { systemRandom } from ${from('../../base/index.ts')}
    const storeAt = (path) => {
      const store = folderStore(path)
      return { ...store, ${method}: async (key, content) => { if (key.includes(${JSON.stringify(key)})) process.kill(process.pid, 'SIGKILL'); return await store.${method}(key, content) } }
    }
    ${body}`
  const child = spawn(process.execPath, ['--conditions=tenfold:src', '--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' })
  const [, signal] = await once(child, 'exit') as [number | null, string | null]
  assert.equal(signal, 'SIGKILL')
}

async function flip(path: string): Promise<void> {
  const content = await readFile(path)
  const at = Math.floor(content.length / 2)
  content[at] = (content[at] ?? 0) ^ 1
  await writeFile(path, content)
}

describe('a database that is backed up', () => {
  let fixture: Fixture
  before(async () => {
    fixture = await startFixture()
    await fixture.ask('create table numbers (number integer primary key)')
  })
  after(() => fixture.end())

  test('comes back at a moment in the midst of its writers: with all that was committed by then, and nothing that was later', async () => {
    const { server, store, parent } = fixture
    const stop = new AbortController()
    const writers = [0, 1, 2].map(async (writer) => {
      const session = await adminSession(server)
      for (let nth = 0; !stop.signal.aborted; nth++) await session.query('insert into numbers values ($1)', [nth * 10 + writer])
      await session.end()
    })
    const made = await fixture.backup()
    const earlier = Number(await fixture.ask('select count(*) from numbers'))
    let moment = ''
    while (Number(await fixture.ask('select count(*) from numbers')) < earlier + 500) moment = await fixture.now()
    stop.abort()
    await Promise.all(writers)
    await fixture.archived()
    const exact = 'select md5(string_agg(number::text, $$,$$ order by number)) from numbers'
    const wanted = await fixture.ask(`${exact} where pg_xact_commit_timestamp(xmin) <= $1`, [moment])
    const all = await fixture.ask(exact)
    assert.notEqual(wanted, all)

    const directory = join(parent, 'moment')
    const recovered = await recover({ plan: await planRestore(store, { target: readTarget(moment, systemClock.now()) }), directory, durable: false })
    assert.equal(recovered.timeline, 2)
    assert.ok(recovered.lastCommitAt !== undefined && recovered.lastCommitAt <= moment && recovered.lastCommitAt > made.endedAt, `${recovered.lastCommitAt} ${moment}`)
    await settle(recovered, directory)
    // It is a database like any other now.
    const again = await startPostgres({ directory, durable: false })
    const session = await adminSession(again)
    assert.equal((await session.query<{ md5: string }>(exact)).rows[0]?.md5, wanted)
    await session.query('insert into numbers values (-1)')
    await session.end()
    await again.stop()
    assert.ok(!(await readdir(join(directory, 'cluster'))).includes('tenfold_recovery'))
    assert.equal((await fixture.restored('latest', exact)).answer, all)
  })

  test('a moment that can\'t be had is refused, with what can', async () => {
    const plan = (to: string) => async () => planRestore(fixture.store, { target: readTarget(to, systemClock.now()) })
    const [first] = (await listBackups(fixture.store)).whole
    await assert.rejects(plan('2020-01-01T00:00:00Z'), { code: 'backup', message: `The first backup in ${fixture.store.name} ended at ${first?.endedAt}: nothing before that can be restored.` })
    for (const to of ['yesterday', '', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-11-25T18:00:00', '12:00Z', 'latest; drop table numbers']) await assert.rejects(plan(to), { code: 'usage', message: /^--to is .*: use latest, or a moment with its zone, such as 20/ }, to)
    await assert.rejects(plan('2999-01-01T00:00:00Z'), { code: 'usage', message: /has not come yet/ })
    const late = await fixture.now()
    await assert.rejects(fixture.restored(late, 'select 1'), { code: 'backup', message: `The log in ${fixture.store.name} does not reach ${late}: use an earlier moment, or latest, which takes all there is.` })
    await assert.rejects(planRestore(folderStore(join(fixture.parent, 'nothing')), { target: { kind: 'latest' } }), { code: 'backup', message: /^There is no backup in .*: tenfold backup makes one\.$/ })
  })

  test('a backup that was killed half-way is none, and is cleared away by the next; one at a time is made', async () => {
    const { server, store, parent } = fixture
    const known = (await listBackups(store)).whole.length
    const { host, port, user, password } = server
    await dying(`await takeBackup({ server: ${JSON.stringify({ host, port, user, password })}, store: storeAt(${JSON.stringify(join(parent, 'store'))}), random: systemRandom })`, 'put', 'backup_manifest')
    const ids = new Set((await store.list('backups/')).map(({ key }) => key.split('/')[1]))
    assert.equal(ids.size, known + 1)
    assert.equal((await listBackups(store)).whole.length, known)
    await fixture.backup()
    const unfinished = [...ids].filter((id) => id !== undefined)
    const left = new Set((await store.list('backups/')).map(({ key }) => key.split('/')[1]))
    assert.equal(unfinished.filter((id) => left.has(id)).length, known)
    assert.equal((await listBackups(store)).whole.length, known + 1)
    const both = await Promise.allSettled([fixture.backup(), fixture.backup()])
    assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    const refused = both.find((one) => one.status === 'rejected')
    assert.match(String(refused?.reason), /Another backup of this database is being made: wait until it has ended/)
  })

  test('a restore that was killed half-way is done again; a database is never touched', async () => {
    const { parent } = fixture
    const directory = join(parent, 'killed')
    await fixture.ask('insert into numbers values (-5)')
    await fixture.archived()
    await dying(`await recover({ plan: await planRestore(storeAt(${JSON.stringify(join(parent, 'store'))}), { target: { kind: 'latest' } }), directory: ${JSON.stringify(directory)}, durable: false })`, 'get', 'wal/')
    await assert.rejects(startPostgres({ directory, durable: false }), { code: 'start', message: /was not restored to its end: run tenfold restore on it again\.$/ })
    const plan = await planRestore(fixture.store, { target: { kind: 'latest' } })
    const recovered = await recover({ plan, directory, durable: false })
    const session = await recovered.connect('postgres')
    assert.equal((await session.query('select from numbers where number = -5')).rowCount, 1)
    await session.end()
    await settle(recovered, directory)
    await assert.rejects(recover({ plan, directory, durable: false }), { code: 'backup', message: /holds a database already, which a restore never touches/ })
  })

  test('a flipped bit is found, in a backup and in the log, by verify and by a restore', async () => {
    const { parent, store } = fixture
    await fixture.backup()
    await fixture.backup()
    await fixture.archived()
    assert.deepEqual((await verifyStore(store)).logFaults, [])
    const copy = join(parent, 'copy')
    for (const { key } of await store.list('')) await folderStore(copy).put(key, await store.get(key) ?? Buffer.alloc(0))
    const damaged = folderStore(copy)
    const newest = (await listBackups(damaged)).whole.at(-1)
    const segment = (await damaged.list('wal/')).findLast(({ key }) => key.endsWith('.zst') && !key.includes('.backup'))?.key ?? ''
    await flip(join(copy, segment))
    assert.deepEqual((await verifyStore(damaged)).logFaults, [`${segment} in ${copy} is damaged: restore to a time before it, or from a copy of the store.`])
    const plan = await planRestore(damaged, { target: { kind: 'latest' } })
    await assert.rejects(recover({ plan, directory: join(parent, 'flipped'), durable: false }), { code: 'backup', message: new RegExp(`^${segment} in .* is damaged`) })
    const part = partKey(newest?.id ?? '', 'base-000001')
    await flip(join(copy, part))
    const told = `${part} in ${copy} is damaged: the backup ${newest?.id} can't be restored; use another, or a copy of the store.`
    assert.deepEqual((await verifyStore(damaged)).backups.map(({ fault }) => fault).filter((fault) => fault !== undefined), [told])
    await assert.rejects(recover({ plan, directory: join(parent, 'flipped'), durable: false }), { code: 'backup', message: told })
    await flip(join(copy, partKey(newest?.id ?? '', 'manifest.json')))
    assert.deepEqual((await listBackups(damaged)).damaged, [newest?.id])
    assert.notEqual((await planRestore(damaged, { target: { kind: 'latest' } })).backup.id, newest?.id)
  })

  test('a segment that is missing is named; a moment before it is still to be had', async () => {
    const { system, store } = fixture
    await fixture.backup()
    await fixture.archived()
    const early = await fixture.now()
    await fixture.ask('insert into numbers values (-7)')
    const last = await fixture.archived()
    const gone = segmentName(1, numberOf(last, 2 ** 24) + 1, 2 ** 24)
    await fixture.ask('insert into numbers values (-8)')
    assert.equal(await fixture.archived(), gone)
    const late = await fixture.now()
    await fixture.ask('insert into numbers values (-9)')
    await fixture.archived()
    const kept = await store.get(walKey(system, gone)) ?? Buffer.alloc(0)
    await store.remove([walKey(system, gone)])
    const hole = { code: 'backup', message: new RegExp(`has a hole: the segment ${gone} is missing, and later ones are there`) }
    await assert.rejects(fixture.restored('latest', 'select 1'), hole)
    await assert.rejects(fixture.restored(late, 'select 1'), hole)
    assert.match((await verifyStore(store)).logFaults.join(), hole.message)
    assert.equal((await fixture.restored(early, 'select count(*) from numbers where number <= -7')).answer, '0')
    await store.put(walKey(system, gone), kept)
    assert.equal((await fixture.restored(late, 'select min(number) from numbers')).answer, '-8')
  })

  test('of old backups the newest stay, with the log behind the oldest of them', async () => {
    const { system, store } = fixture
    await fixture.archived()
    const { backups: removed, logFiles } = await removeOld(store, system, 2)
    assert.ok(removed.length > 0 && logFiles > 0)
    const { whole } = await listBackups(store)
    assert.equal(whole.length, 2)
    assert.equal((await store.list('backups/')).filter(({ key }) => removed.includes(key.split('/')[1] ?? '')).length, 0)
    assert.deepEqual(await removeOld(store, system, 2), { backups: [], logFiles: 0 })
    assert.deepEqual((await verifyStore(store)).logFaults, [])
    for (const { id } of whole) assert.equal((await fixture.restored('latest', 'select min(number) from numbers', { backupId: id })).answer, '-9')
    assert.deepEqual(await removeOld(store, 'another', 1), { backups: [], logFiles: 0 })
  })

  test('a store that fails half-way fails the backup, in its words', async () => {
    const { server, store } = fixture
    const full: BackupStore = { ...store, put: async (key, content) => { if (key.includes('base-')) throw new Error('full'); await store.put(key, content) } }
    await assert.rejects(takeBackup({ server, store: full, random: systemRandom as Random }), { code: 'backup', message: /^The backup broke off \(full\)/ })
    const stop = new AbortController()
    const interrupted: BackupStore = { ...store, put: async (key, content) => { if (key.includes('base-')) stop.abort(); await store.put(key, content) } }
    await assert.rejects(takeBackup({ server, store: interrupted, random: systemRandom, signal: stop.signal }), { code: 'backup', message: /^The backup was interrupted/ })
    await assert.rejects(takeBackup({ server: { ...server, port: 1 }, store, random: systemRandom }), { code: 'backup', message: /^The database at 127\.0\.0\.1:1 cannot be reached/ })
    await rm(join(fixture.parent, 'nothing'), { recursive: true, force: true })
  })
})

test('a damaged page is told, and not backed up; a disk that is too small is, before anything is fetched', async () => {
  const fixture = await startFixture()
  try {
    await fixture.ask('create table victims as select generate_series(1, 1000) as number')
    await fixture.backup()
    const plan = await planRestore(fixture.store, { target: { kind: 'latest' } })
    const large = { ...plan, backup: { ...plan.backup, bytes: 2 ** 60 } }
    await assert.rejects(recover({ plan: large, directory: join(fixture.parent, 'small'), durable: false }), { code: 'backup', message: /^The disk of .* has \d+ MB free, and \d+ are needed: free some space/ })
    const file = join(fixture.directory, 'cluster', await fixture.ask(`select pg_relation_filepath('victims')`))
    await fixture.ask('checkpoint')
    await flip(file)
    await assert.rejects(fixture.backup(), { code: 'backup', message: /^The database has damaged pages, and so it was not backed up/ })
    assert.equal((await listBackups(fixture.store)).whole.length, 1)
  } finally {
    await fixture.end()
  }
})
