import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { waitFor } from '../../base/process.ts'
import { type Fixture, startFixture } from './backup.fixture.ts'
import { folderStore } from './drivers/folder.ts'
import { firstGap, readLog } from './log.ts'
import type { BackupManifest } from './manifest.ts'
import type { Receiver } from './receive.ts'
import { isSegment } from './wal.ts'

async function until(ask: () => boolean | Promise<boolean>, what: string): Promise<void> {
  assert.ok(await waitFor(async () => await ask() || undefined, { timeoutMs: 20_000, everyMs: 20 }), what)
}

const received = (fixture: Fixture) => fixture.archiver as Receiver

describe('a log that is received', () => {
  let fixture: Fixture
  let backup: BackupManifest
  before(async () => {
    fixture = await startFixture({ receives: true })
    await fixture.ask('create table numbers (number integer)')
    backup = await fixture.backup()
  })
  after(() => fixture.end())

  test('is in the store, to the last acknowledged row, though its connection is cut again and again in the midst of a segment', async () => {
    await until(() => received(fixture).isReceiving(), 'it receives')
    for (let round = 0; round < 6; round++) {
      await fixture.ask(`insert into numbers select generate_series(1, 20000)`)
      await fixture.ask(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'tenfold_log' and active`)
      if (round % 2 === 1) await fixture.ask('select pg_switch_wal()')
    }
    await fixture.archived()
    assert.equal((await fixture.restored('latest', 'select count(*) from numbers')).answer, '120000')
    assert.equal(firstGap(await readLog(fixture.store, fixture.system), backup, 1), undefined)
    await until(() => received(fixture).state().fault === undefined, 'nothing is amiss any more')
  })

  test('only what the store has is confirmed; a store that fails is told, the server keeps what waits, and it is made up for', async () => {
    const { store, parent } = fixture
    await fixture.archived()
    const slotAt = () => fixture.ask(`select restart_lsn from pg_replication_slots where slot_name = 'tenfold_log'`)
    const segmentAt = async () => await fixture.ask(`select pg_walfile_name(pg_current_wal_lsn())`)
    await until(async () => await fixture.ask(`select pg_walfile_name(restart_lsn + 1) from pg_replication_slots where slot_name = 'tenfold_log'`) === await segmentAt(), 'all is confirmed')
    const slotBefore = await slotAt()
    await rename(store.name, join(parent, 'store-aside'))
    await writeFile(store.name, 'in the way')
    for (let round = 0; round < 4; round++) { await fixture.ask('insert into numbers values (1)'); await fixture.ask('select pg_switch_wal()') }
    await until(() => /has a file in its way/.test(received(fixture).state().fault ?? '') && received(fixture).state().waiting >= 2, 'it is told')
    assert.ok(received(fixture).state().oldestMs > 0)
    assert.equal(await slotAt(), slotBefore, 'nothing was confirmed')
    await rm(store.name)
    await rename(join(parent, 'store-aside'), store.name)
    await fixture.archived()
    await until(async () => received(fixture).state().fault === undefined && received(fixture).state().waiting === 0 && await slotAt() !== slotBefore, 'it is made up for')
    assert.equal(firstGap(await readLog(store, fixture.system), backup, 1), undefined)
  })

  test('of two receivers one reads; when it leaves, the other goes on; one with another store is told that it is in vain', async () => {
    await until(() => received(fixture).isReceiving(), 'the first receives')
    const second = fixture.receiver()
    const other = fixture.receiver({ store: folderStore(join(fixture.parent, 'other')) })
    await fixture.archived()
    await until(async () => { await fixture.archived(); return /Another process reads the log by the slot tenfold_log/.test(other.state().fault ?? '') }, 'it is in vain')
    assert.deepEqual([second.isReceiving(), other.isReceiving(), second.state().fault], [false, false, undefined])
    await other.stop()
    await fixture.ask('insert into numbers values (2)')
    await received(fixture).stop()
    await until(() => second.isReceiving(), 'the second goes on')
    await fixture.archived()
    assert.equal(firstGap(await readLog(fixture.store, fixture.system), backup, 1), undefined)
    await second.stop()
  })

  test('the end of the log comes into the store when it leaves, and the slot is free', async () => {
    const hasty = fixture.receiver()
    await until(() => hasty.isReceiving(), 'it receives')
    const name = await fixture.ask(`select pg_walfile_name(pg_logical_emit_message(true, 'test', 'the end'))`)
    await hasty.stop()
    assert.ok((await readLog(fixture.store, fixture.system)).names.has(name), `${name} is in the store`)
    assert.equal(await fixture.ask(`select count(*) from pg_replication_slots where slot_name = 'tenfold_log' and not active`), '1')
  })

  test('a segment is closed in time; a server that stops does not wait until the store has all', async () => {
    const hasty = fixture.receiver({ loseAtMostMs: 300 })
    await until(() => hasty.isReceiving(), 'it receives')
    const name = await fixture.ask(`select pg_walfile_name(pg_logical_emit_message(true, 'test', 'in time'))`)
    await until(async () => (await readLog(fixture.store, fixture.system)).names.has(name), 'it is closed')
    await hasty.stop()
    const patient = fixture.receiver()
    await until(() => patient.isReceiving(), 'it receives')
    await fixture.archived() // else what was written counts for the server, since nothing was confirmed
    await fixture.ask(`select pg_logical_emit_message(true, 'test', 'not stored')`)
    const began = performance.now()
    await fixture.server.stop()
    assert.ok(performance.now() - began < 10_000, `it took ${performance.now() - began} ms`)
    await until(() => patient.state().fault !== undefined, 'it is told')
  })
})

test('a slot whose log was given up is made anew, and the hole is told; from a new backup on all can be restored', async () => {
  const fixture = await startFixture({ receives: true, settings: { max_slot_wal_keep_size: '32MB', min_wal_size: '32MB', max_wal_size: '48MB' } })
  try {
    await fixture.ask('create table numbers (number integer)')
    await fixture.backup()
    await fixture.archived()
    await received(fixture).stop()
    for (let round = 0; round < 5; round++) { await fixture.ask('insert into numbers values (1)'); await fixture.ask('select pg_switch_wal()') }
    await fixture.ask('checkpoint')
    assert.equal(await fixture.ask(`select wal_status from pg_replication_slots where slot_name = 'tenfold_log'`), 'lost')
    let holes = 0
    const again = fixture.receiver({ onHole() { holes += 1 } })
    await until(() => again.isReceiving(), 'it goes on')
    await until(async () => { await fixture.archived(); return holes > 0 }, 'the hole is known')
    assert.equal(holes, 1)
    assert.match(fixture.told.join('\n'), /^The log in .* has a hole from 0\/\w+ to 0\/\w+: the server had removed that before it was stored \(more waited than its max_slot_wal_keep_size\)\. No moment in it can be restored; a full backup is made now, from which on all can\.$/m)
    await fixture.backup()
    await fixture.ask('insert into numbers values (2)')
    await fixture.archived()
    assert.equal((await fixture.restored('latest', 'select count(*) from numbers')).answer, '6')
    assert.ok([...(await readLog(fixture.store, fixture.system)).names].filter(isSegment).length > 2)
  } finally {
    await fixture.end()
  }
})
