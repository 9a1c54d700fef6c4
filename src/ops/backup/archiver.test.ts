import assert from 'node:assert/strict'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Clock, failed, systemClock, systemRandom } from '../../base/index.ts'
import { runCommand, waitFor } from '../../base/process.ts'
import { type PostgresServer, startPostgres } from '../rig/postgres.ts'
import { createArchiver } from './archiver.ts'
import { drillRestore } from './drill.ts'
import { createFileKeeper, faultsOfFiles, restoreFiles } from './files.ts'
import { folderStore } from './drivers/folder.ts'
import { type Fixture, settings, startFixture } from './backup.fixture.ts'
import { createKeeper } from './keeper.ts'
import { readLog } from './log.ts'
import { listBackups } from './manifest.ts'
import { planRestore } from './plan.ts'
import { recover, settle } from './recover.ts'
import { adminSession } from './session.ts'
import type { BackupStore } from './store.ts'
import { verifyStore } from './verify.ts'
import { isSegment, walKey } from './wal.ts'

const noMount = (process.platform !== 'linux' || process.getuid?.() !== 0) && 'only root on Linux can make a small disk'

test('a full store stops nothing and loses nothing: the log waits, that is told, and goes on when there is space', { skip: noMount }, async () => {
  let disk = ''
  const fixture = await startFixture({ store: async (parent) => {
    disk = join(parent, 'disk')
    await mkdir(disk)
    const { code, errors } = await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tenfold', disk])
    assert.equal(code, 0, errors)
    return folderStore(join(disk, 'store'))
  } })
  try {
    await fixture.ask('create table noise (bytes bytea)')
    const add = () => fixture.ask(`insert into noise select decode(string_agg(md5(random()::text), ''), 'hex') from generate_series(1, 60000)`) // some megabyte that does not compress
    await add()
    await fixture.ask('select pg_switch_wal()')
    const fault = await waitFor(() => fixture.archiver.state().fault, { timeoutMs: 20_000 })
    assert.match(fault ?? '', /^The store of backups .* is full: free some space on its disk, or keep fewer backups\.$/)
    await add()
    await fixture.ask('select pg_switch_wal()')
    const state = await waitFor(() => (fixture.archiver.state().waiting >= 2 ? fixture.archiver.state() : undefined), { timeoutMs: 20_000 })
    assert.ok(state && state.oldestMs > 0, 'it says for how long')
    assert.equal(await fixture.ask('select count(*) from noise'), '2', 'the database goes on')
    assert.deepEqual((await fixture.store.list('wal/')).filter(({ bytes }) => bytes === 0), [], 'nothing is there in part')
    await runCommand('mount', ['-o', 'remount,size=50m', disk])
    await fixture.archived()
    assert.ok(await waitFor(() => (fixture.archiver.state().waiting === 0 && fixture.archiver.state().fault === undefined ? true : undefined), { timeoutMs: 20_000 }))
    const segments = [...(await readLog(fixture.store, fixture.system)).names].filter(isSegment).toSorted()
    assert.deepEqual(segments.map((name) => Number.parseInt(name.slice(16), 16)), segments.map((_, index) => index + 1), 'there is no hole')
  } finally {
    await runCommand('umount', ['-l', disk])
    await fixture.end()
  }
})

describe('the log of a database', () => {
  let fixture: Fixture
  before(async () => {
    fixture = await startFixture()
    await fixture.ask('create table numbers (number integer)')
  })
  after(() => fixture.end())

  test('is stored to its last byte when the database is stopped; without anybody to store it, it waits, and nobody waits for it', async () => {
    const { parent } = fixture
    const directory = join(parent, 'other')
    const store = folderStore(join(parent, 'other-store'))
    const start = (archive?: { timeoutSeconds: number } | 'off') => startPostgres({ directory, durable: false, settings, archive })
    const write = async (server: PostgresServer) => {
      const session = await adminSession(server)
      await session.query('create table if not exists kept (at timestamptz); insert into kept values (now())')
      const { rows: [row] } = await session.query<{ name: string; system: string; mode: string }>(`select pg_walfile_name(pg_current_wal_insert_lsn()) as name, (select system_identifier::text from pg_control_system()) as system, current_setting('archive_mode') as mode`)
      await session.end()
      return row as { name: string; system: string; mode: string }
    }
    const first = await start({ timeoutSeconds: 60 })
    const { name: alone, system } = await write(first)
    const began = performance.now()
    await first.stop()
    assert.ok(performance.now() - began < 10_000, 'a stop does not wait for a store that nobody fills')
    const second = await start() // as one who migrates: it still archives
    const { name, mode } = await write(second)
    assert.equal(mode, 'on')
    const archiver = createArchiver({ cluster: join(directory, 'cluster'), store, clock: systemClock, system: async () => system })
    const stopping = new AbortController()
    const passes = waitFor(async () => { await archiver.pass(); return stopping.signal.aborted || undefined }, { timeoutMs: 60_000 })
    await second.stop()
    stopping.abort()
    await passes
    await archiver.pass()
    await archiver.close()
    const { names } = await readLog(store, system)
    assert.ok(names.has(alone) && names.has(name), `${alone} ${name} ${[...names]}`)
    const third = await start('off')
    assert.equal((await write(third)).mode, 'off')
    await third.stop()
  })

  test('is never overwritten: a copy of a database that archives into the same store is told so, and keeps its own', async () => {
    const name = await fixture.archived()
    const cluster = join(fixture.parent, 'copy')
    await mkdir(join(cluster, 'pg_wal/archive_status'), { recursive: true })
    const archiver = createArchiver({ cluster, store: fixture.store, clock: systemClock, system: async () => fixture.system })
    const ready = async (content: Uint8Array) => {
      await writeFile(join(cluster, 'pg_wal', name), content)
      await writeFile(join(cluster, 'pg_wal/archive_status', `${name}.ready`), '')
    }
    const { readFile } = await import('./log.ts')
    const same = await readFile(fixture.store, fixture.system, name) ?? Buffer.alloc(0)
    await ready(same) // killed after it had been stored, and before that was told
    await archiver.pass()
    assert.deepEqual((await readdir(join(cluster, 'pg_wal/stored'))).toSorted(), [name, 'open'])
    await rm(join(cluster, 'pg_wal/stored/open')) // as a start of Postgres does
    await archiver.pass()
    assert.deepEqual((await readdir(join(cluster, 'pg_wal/stored'))).toSorted(), [name, 'open'])
    await rm(join(cluster, 'pg_wal/stored', name))
    await ready(Buffer.from(same).fill(1, 5_000, 5_001))
    await assert.rejects(archiver.pass(), { code: 'backup', message: new RegExp(`has another ${walKey(fixture.system, name)}, which is not overwritten`) })
    assert.deepEqual(await readdir(join(cluster, 'pg_wal/stored')), [], 'nobody is told that it is stored')
    assert.ok((await readFile(fixture.store, fixture.system, name))?.equals(same))
  })

  test('goes on after a restore on a timeline of its own, and every way can be gone again', async () => {
    const { parent, store } = fixture
    await fixture.backup()
    await fixture.ask('insert into numbers values (1)')
    const moment = await fixture.now()
    await fixture.ask('insert into numbers values (2)')
    await fixture.backup() // which the other way never saw
    await fixture.archived()
    const directory = join(parent, 'branch')
    await settle(await recover({ plan: await planRestore(store, { target: { kind: 'time', text: moment, ms: Date.parse(moment) } }), directory, durable: false }), directory)
    const branch = await startPostgres({ directory, durable: false, settings, archive: { timeoutSeconds: 60 } })
    const archiver = createArchiver({ cluster: join(directory, 'cluster'), store, clock: systemClock, system: async () => fixture.system })
    const session = await adminSession(branch)
    await session.query('insert into numbers values (3)')
    const { rows: [row] } = await session.query<{ name: string }>('select pg_walfile_name(pg_switch_wal()) as name')
    const name = row?.name ?? ''
    assert.ok(await waitFor(async () => { await archiver.pass(); return (await readLog(store, fixture.system)).names.has(name) || undefined }, { timeoutMs: 20_000 }))
    assert.ok(name.startsWith('00000002'))
    assert.ok((await readLog(store, fixture.system)).names.has('00000002.history'))
    await session.end()
    await branch.stop()
    const all = `select string_agg(number::text, ',' order by number) from numbers`
    await assert.rejects(fixture.restored('latest', all), { code: 'backup', message: /went several ways, since a restored copy has run, or a primary wrote on that had been deposed: timeline 1 to \w{24}, timeline 2 to \w{24}\. Say which by --timeline \(after a failover the last\)\.$/ })
    assert.deepEqual((await verifyStore(store)).logFaults, [])
    assert.deepEqual((({ answer, timeline }) => [answer, timeline])(await fixture.restored('latest', all, { timeline: 2 })), ['1,3', 3])
    assert.equal((await drillRestore({ server: fixture.server, database: 'postgres', store, directory: join(parent, 'drill') })).same, true, 'a drill goes the way of the running database')
    assert.deepEqual((({ answer, timeline }) => [answer, timeline])(await fixture.restored('latest', all, { timeline: 1 })), ['1,2', 3])
  })

  test('has backups beside it as often as the policy says, and at once where the log has a hole', async () => {
    let nowMs = systemClock.now()
    const clock: Clock = { ...systemClock, now: () => nowMs, monotonic: () => nowMs }
    const store = folderStore(join(fixture.parent, 'kept'))
    const reasons: string[] = []
    const keeper = createKeeper({ policy: { to: store.name, every: '1d', keep: 2 }, store, server: async () => fixture.server, clock, random: systemRandom, signal: new AbortController().signal, onBackup: (_, reason) => reasons.push(reason) })
    await keeper.pass()
    await keeper.pass()
    nowMs += 25 * 3_600_000
    await keeper.pass()
    assert.deepEqual(reasons, ['there was none', 'the last is old enough'])
    nowMs = systemClock.now() + 1_000
    // Two segments far apart behind the last backup.
    const far = async (count: number) => { for (let nth = 0; nth < count; nth++) await fixture.archived(); return await fixture.archived() }
    const last = await far(3)
    await store.put(walKey(fixture.system, last), Buffer.from('x'))
    const again = createKeeper({ policy: { to: store.name, keep: 2 }, store, server: async () => fixture.server, clock, random: systemRandom, signal: new AbortController().signal, onBackup: (_, reason) => reasons.push(reason) })
    await again.pass()
    assert.match(reasons[2] ?? '', /^the log behind the last has a hole at 00000001/)
    assert.equal((await listBackups(store)).whole.length, 2)
    assert.ok((again.lastBackupAt() ?? 0) > nowMs - 60_000)

    // What failed may have copied all: it is not done again at once.
    let tries = 0
    const failing: BackupStore = { ...folderStore(join(fixture.parent, 'failing')), put: async (key) => { if (key.endsWith('started.json')) tries++; throw failed('backup', 'The store is full.') } }
    const unlucky = createKeeper({ policy: { to: failing.name }, store: failing, server: async () => fixture.server, clock, random: systemRandom, signal: new AbortController().signal, onBackup: () => {} })
    await assert.rejects(unlucky.pass(), { code: 'backup', message: 'The store is full.' })
    await unlucky.pass()
    assert.equal(tries, 1)
    nowMs += 31_000
    await assert.rejects(unlucky.pass())
    nowMs += 31_000
    await unlucky.pass()
    assert.equal(tries, 2)
  })

  test('uploaded files are stored once, come back, and are held against their names', async () => {
    const [from, to] = [join(fixture.parent, 'files'), join(fixture.parent, 'files-back')]
    const { hash } = await import('node:crypto')
    const digest = hash('sha256', 'a receipt')
    const path = (root: string) => join(root, digest.slice(0, 2), digest.slice(2, 4), digest)
    await mkdir(join(path(from), '..'), { recursive: true })
    await writeFile(path(from), 'a receipt')
    await writeFile(join(from, 'incoming-12'), 'half')
    const files = createFileKeeper(from, fixture.store)
    assert.deepEqual([await files.pass(), await files.pass(), await createFileKeeper(from, fixture.store).pass(), await createFileKeeper(join(from, 'nowhere'), fixture.store).pass()], [1, 0, 0, 0])
    const damaged: string[] = []
    const other = join(from, 'ab', 'cd', 'ab'.padEnd(64, '0'))
    await mkdir(join(other, '..'), { recursive: true })
    await writeFile(other, 'not what its name says')
    const watchful = createFileKeeper(from, fixture.store, (found) => damaged.push(found))
    assert.deepEqual([await watchful.pass(), await watchful.pass(), damaged], [0, 0, [other]])
    assert.equal(await restoreFiles(fixture.store, to), 1)
    assert.equal(await restoreFiles(fixture.store, to), 1)
    assert.deepEqual(await faultsOfFiles(fixture.store, () => {}), { files: 1, faults: [] })
    await fixture.store.put(`files/${digest.slice(0, 2)}/${digest}`, Buffer.from('a receiqt'))
    assert.match((await faultsOfFiles(fixture.store, () => {})).faults.join(), /is damaged: put it there from a copy of the store/)
    await rm(to, { recursive: true })
    await assert.rejects(restoreFiles(fixture.store, to), { code: 'backup', message: /is damaged/ })
  })
})
