import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isThere } from '../../base/private-files.ts'
import { waitFor } from '../../base/process.ts'
import { drillRestore } from './drill.ts'
import { folderStore } from './drivers/folder.ts'
import { differences } from './fingerprint.ts'
import { type Fixture, startFixture } from './backup.fixture.ts'
import { adminSession } from './session.ts'

describe('a drill', () => {
  let fixture: Fixture
  let directory = ''
  before(async () => {
    fixture = await startFixture()
    directory = join(fixture.parent, 'drill')
    await fixture.ask('create table accounts (id integer primary key, money integer, "Odd ""name" text); insert into accounts select n, 100, null from generate_series(1, 200) n')
    await fixture.ask('create table ledger (at timestamptz default clock_timestamp(), who integer, amount numeric); create unlogged table scratch as select 1 as one')
    await fixture.backup()
    await fixture.archived()
  })
  after(() => fixture.end())
  const drill = (more: object = {}) => drillRestore({ server: fixture.server, database: 'postgres', store: fixture.store, directory, ...more })

  test('finds every table the same while writers go on, says how long it took and what would be lost, and leaves nothing', async () => {
    const stop = new AbortController()
    const writers = [1, 2, 3].map(async (who) => {
      const session = await adminSession(fixture.server)
      for (let nth = 0; !stop.signal.aborted; nth++) {
        await session.query('begin')
        await session.query('insert into ledger (who, amount) values ($1, $2)', [who, nth])
        await session.query('update accounts set money = money + 1 where id = $1', [1 + (nth * 7 + who) % 200])
        await session.query(nth % 10 === 0 ? 'rollback' : 'commit')
      }
      await session.end()
    })
    const reports = [await drill(), await drill()]
    stop.abort()
    await Promise.all(writers)
    for (const { same, rtoSeconds, rpoSeconds, tables, rows, differences: found } of reports) {
      assert.deepEqual([same, found, tables], [true, [], 2])
      assert.ok(rows > 200 && rtoSeconds > 0 && rtoSeconds < 30 && rpoSeconds >= 0 && rpoSeconds < 60, `${rows} ${rtoSeconds} ${rpoSeconds}`)
    }
    assert.ok((reports[1]?.rows ?? 0) > (reports[0]?.rows ?? 0), 'they were of two moments')
    assert.deepEqual((await readdir(fixture.parent)).filter((name) => name.startsWith('drill')), [])
    assert.equal(await fixture.ask(`select count(*) from pg_replication_slots`), '0')
  })

  test('tells a table that is not the same', async () => {
    const meddle = `
      import pg from ${JSON.stringify(import.meta.resolve('pg'))}
      import { readdirSync } from 'node:fs'
      const port = readdirSync(process.cwd()).find((name) => /^\\.s\\.PGSQL\\.\\d+$/.test(name)).slice(9)
      const client = new pg.Client({ host: '/proc/self/cwd', port: Number(port), user: 'postgres', database: 'postgres' })
      await client.connect()
      await client.query('update accounts set money = money - 1 where id = 7')
      await client.end()`
    const onStatus = (text: string) => { if (text.startsWith('Comparing')) execFileSync(process.execPath, ['--input-type=module', '-e', meddle], { cwd: join(directory, 'cluster') }) }
    const { same, differences: found } = await drill({ onStatus })
    assert.equal(same, false)
    assert.deepEqual(found.map(({ table, running, restored }) => [table, running?.rows, restored?.rows, running?.checksum === restored?.checksum]), [['public.accounts', '200', '200', false]])
    const one = new Map([['a', { rows: '1', checksum: '5' }]])
    assert.deepEqual(differences(one, new Map()), [{ table: 'a', running: { rows: '1', checksum: '5' }, restored: undefined }])
    assert.deepEqual(differences(one, one), [])
  })

  test('that was killed is cleared away by the next; one that is interrupted clears up itself', async () => {
    const { host, port, user, password } = fixture.server
    const from = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)
    const script = `
      import { drillRestore } from ${from('./drill.ts')}
      import { folderStore } from ${from('./drivers/folder.ts')}
      await drillRestore({ server: ${JSON.stringify({ host, port, user, password })}, database: 'postgres', store: folderStore(${JSON.stringify(join(fixture.parent, 'store'))}), directory: ${JSON.stringify(directory)},
        onStatus: (text) => { if (text.startsWith('Comparing')) process.kill(process.pid, 'SIGKILL') } })`
    const child = spawn(process.execPath, ['--conditions=tenfold:src', '--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' })
    const [, signal] = await once(child, 'exit') as [number | null, string | null]
    assert.equal(signal, 'SIGKILL')
    assert.ok(await isThere(directory))
    assert.equal((await drill()).same, true)
    assert.equal(await isThere(directory), false)

    for (const sign of ['Fetching', 'Replaying']) {
      const stop = new AbortController()
      await assert.rejects(drill({ signal: stop.signal, onStatus: (text: string) => { if (text.startsWith(sign)) stop.abort() } }), sign)
      assert.equal(await isThere(directory), false, sign)
    }
    const first = drill()
    await waitFor(async () => await isThere(`${directory}.lock`) || undefined, { timeoutMs: 5_000 })
    await assert.rejects(drill(), { code: 'backup', message: /^Another drill \(pid \d+\) is under way/ })
    await first
  })

  test('says what it lacks', async () => {
    await assert.rejects(drill({ store: folderStore(join(fixture.parent, 'empty')) }), { code: 'backup', message: /holds no log of this database, so what came since the last backup would be lost/ })
    assert.equal(await isThere(directory), false)
  })
})
