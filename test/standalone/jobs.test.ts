/** `tenfold/jobs` inside a service that is not Tenfold's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { createJobs } from 'tenfold/jobs'
import { waitFor } from '../../src/base/process.ts'
import { emptyDatabase } from '../support/empty-database.ts'

const quiet = () => {}
const until = async (ask: () => boolean | Promise<boolean>) => assert.equal(await waitFor(async () => await ask() || undefined, { timeoutMs: 10_000 }), true)

test('a job commits with the transaction that gives rise to it, or not at all; it runs in this process or another', async (context) => {
  const { url, sql, closing } = await emptyDatabase(context, 'create table orders (id integer primary key)')
  const ran: number[] = []
  const jobs = { receipt: { timeout: '5s', tries: 3, run: async ({ order }: { order: number }) => { ran.push(order) } } } as const
  const [asking, working] = [createJobs({ database: url, jobs }), createJobs({ database: url, jobs })]
  const client = new pg.Client(url)
  await client.connect()
  closing(async () => { await client.end(); await asking.close(); await working.close() })
  await Promise.all([asking.migrate(), working.migrate()])
  await working.migrate()
  working.start()
  for (const [order, end] of [[1, 'commit'], [2, 'rollback'], [3, 'commit']] as const) {
    await client.query('begin')
    await client.query('insert into orders values ($1)', [order])
    await asking.enqueue('receipt', { order }, { in: client })
    await client.query(end)
  }
  await until(() => ran.length === 2)
  await asking.enqueue('receipt', { order: 4 })
  await until(() => ran.length === 3)
  assert.deepEqual(ran.toSorted(), [1, 3, 4])
  await until(async () => (await sql('select from tenfold.runs')).length === 0)
  // The whole platform's own migrations find theirs applied.
  assert.deepEqual(await sql('select module, file from tenfold.migrations'), [{ module: 'tenfold', file: '001-runs.sql' }])
  await assert.rejects(asking.enqueue('nothing' as 'receipt', { order: 1 }), { code: 'definition', message: 'There is no job "nothing": there is receipt.' })
})

test('ten thousand jobs, each once; one that fails is tried again and then told; one that takes too long is left', async (context) => {
  const { url, sql, closing } = await emptyDatabase(context)
  const ran = new Map<number, number>()
  const troubles: string[] = []
  let tries = 0
  const jobs = createJobs({
    database: url, onTrouble: (message) => troubles.push(message),
    jobs: {
      count: { timeout: '5s', tries: 1, run: async ({ nth }: { nth: number }) => { ran.set(nth, (ran.get(nth) ?? 0) + 1) } },
      fails: { timeout: '5s', tries: 2, run: async () => { tries++; throw new Error('not today') } },
      hangs: { timeout: '100ms', tries: 1, run: (_input: object, { signal }) => new Promise(() => { signal.addEventListener('abort', () => { tries += 100 }) }) },
    },
  })
  closing(() => jobs.close())
  await jobs.migrate()
  await sql(`insert into tenfold.runs (bucket, id, kind, name, input, fingerprint, state, due_at, started_at) select 0, gen_random_uuid(), 'job', 'count', jsonb_build_object('nth', n), '', 'waiting', now(), now() from generate_series(1, 10000) n`)
  jobs.start()
  await until(() => ran.size === 10_000)
  assert.deepEqual([...new Set(ran.values())], [1])
  await until(async () => (await sql('select from tenfold.runs')).length === 0)
  await Promise.all([jobs.enqueue('fails', {}), jobs.enqueue('hangs', {})])
  await until(async () => (await sql('select from tenfold.dead')).length === 2)
  assert.deepEqual(await sql('select name, reason, tries from tenfold.dead order by name'), [{ name: 'fails', reason: 'not today', tries: 2 }, { name: 'hangs', reason: 'The job hangs passed its time limit.', tries: 1 }])
  assert.equal(tries, 102)
  assert.deepEqual([...new Set(troubles)].toSorted(), ['a job failed and will be tried again', 'a job gave up: it is a dead letter'])
})

test('who leaves finishes what it began and gives back the rest; one due later waits; a schedule fires', async (context) => {
  const { url, sql, closing } = await emptyDatabase(context)
  const gate = Promise.withResolvers<void>()
  let [begun, ended, ticks] = [0, 0, 0]
  const jobs = createJobs({ database: url, concurrency: 2, onTrouble: quiet, jobs: {
    slow: { timeout: '30s', tries: 1, run: async () => { begun++; await gate.promise; ended++ } },
    tick: { timeout: '5s', tries: 1, cron: '* * * * * *', run: async () => { ticks++ } },
  } })
  closing(() => jobs.close())
  await jobs.migrate()
  for (let nth = 0; nth < 5; nth++) await jobs.enqueue('slow', {}, { priority: 1 })
  await jobs.enqueue('slow', {}, { after: '1h' })
  jobs.start()
  await until(() => begun === 2)
  const stopped = jobs.stop()
  gate.resolve()
  await stopped
  assert.deepEqual([begun, ended], [2, 2])
  assert.deepEqual(await sql(`select state, tries, count(*)::int as n from tenfold.runs where name = 'slow' group by 1, 2`), [{ state: 'waiting', tries: 0, n: 4 }])
  jobs.start()
  await until(() => ended === 5 && ticks > 0)
  await jobs.stop()
  assert.equal((await sql(`select from tenfold.runs where name = 'slow'`)).length, 1)
})

test('who is told to leave while it still connects leaves, and may start again', { timeout: 20_000 }, async (context) => {
  const { url, closing } = await emptyDatabase(context)
  const ran: number[] = []
  const jobs = createJobs({ database: url, jobs: { note: { timeout: '5s', tries: 1, run: async ({ nth }: { nth: number }) => { ran.push(nth) } } } })
  closing(() => jobs.close())
  await jobs.migrate()
  for (let nth = 1; nth <= 3; nth++) {
    jobs.start()
    await jobs.stop()
    await jobs.enqueue('note', { nth })
  }
  jobs.start()
  await until(() => ran.length === 3)
})
