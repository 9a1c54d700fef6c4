import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../base/index.ts'
import { signalProcess, waitFor } from '../../base/process.ts'
import { findPrimary } from '../../data/index.ts'
import { startStandby } from '../rig/standby.ts'
import { settings, startFixture } from './backup.fixture.ts'
import { firstGap, readLog } from './log.ts'
import { adminSession } from './session.ts'
import { walKey } from './wal.ts'

async function until(ask: () => boolean | Promise<boolean>, what: string): Promise<void> {
  assert.ok(await waitFor(async () => await ask() || undefined, { timeoutMs: 20_000, everyMs: 20 }), what)
}

test('the primary dies while the store fails: its standby had kept what was not stored, and what was acknowledged before and after is in a restore', async () => {
  const fixture = await startFixture({ receives: true })
  const { server, parent, store } = fixture
  await fixture.ask('create table numbers (number integer)')
  const backup = await fixture.backup()
  await waitFor(async () => (await fixture.ask(`select count(*) from pg_replication_slots where active and slot_name = 'tenfold_log'`)) === '1' || undefined, { timeoutMs: 10_000 })
  await fixture.archived()
  const standby = await startStandby({ directory: join(parent, 'standby'), primary: server, slot: 'standby', durable: false, settings })
  const there = await adminSession(standby)
  const hosts = [server, standby].map(({ host, port }) => ({ host, port }))
  const cluster = () => findPrimary({ ...server, database: 'postgres', hosts }, systemClock)
  await fixture.stopReceiving()
  const follower = fixture.receiver({ server: cluster })
  try {
    const slotThere = async () => (await there.query<{ lsn: string }>(`select restart_lsn::text as lsn from pg_replication_slots where slot_name = 'tenfold_log'`)).rows[0]?.lsn
    await until(async () => await slotThere() !== undefined, 'the standby has the slot, too')
    await fixture.ask('insert into numbers select generate_series(1, 1000)')
    await fixture.archived()
    await rename(store.name, `${store.name}-away`)
    await writeFile(store.name, 'in the way')
    for (let round = 0; round < 3; round++) { await fixture.ask('insert into numbers select generate_series(1, 100)'); await fixture.ask('select pg_switch_wal()') }
    await fixture.ask('insert into numbers select generate_series(1, 200)') // in the midst of a segment
    await fixture.ask('checkpoint')
    await until(async () => (await there.query(`select from numbers having count(*) = 1500`)).rowCount === 1, 'the standby has all')
    await there.query('checkpoint') // by which it removes what nobody keeps

    signalProcess(server.pid, 'SIGKILL')
    await server.exited
    await there.query('select pg_promote()')
    await until(async () => (await there.query<{ is: boolean }>('select pg_is_in_recovery() as is')).rows[0]?.is === false, 'it is promoted')
    await there.query('insert into numbers select generate_series(1, 250)')
    await rm(store.name)
    await rename(`${store.name}-away`, store.name)
    await until(() => follower.isReceiving() && follower.state().fault === undefined, 'it goes on at the new primary')
    const { rows: [at] } = await there.query<{ name: string }>(`select pg_walfile_name(pg_logical_emit_message(true, 'test', 'more')) as name`)
    await there.query('select pg_switch_wal()')
    await until(async () => (await store.list(walKey(fixture.system, at?.name ?? ''))).length > 0, 'its log is in the store')

    const log = await readLog(store, fixture.system)
    assert.deepEqual([at?.name.slice(0, 8), log.names.has('00000002.history'), firstGap(log, backup, 2)], ['00000002', true, undefined])
    assert.equal((await fixture.restored('latest', 'select count(*) from numbers')).answer, '1750')
    assert.doesNotMatch(fixture.told.join('\n'), /hole/)
  } finally {
    await follower.stop()
    await there.end()
    await standby.stop()
    await fixture.end()
  }
})
