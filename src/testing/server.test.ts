import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, test } from 'node:test'
import pg from 'pg'
import { waitFor } from '../base/process.ts'
import { startTestServer, testServer, type TestServer } from './server.ts'

async function client({ host, port, user, password }: TestServer['primary']): Promise<pg.Client> {
  const made = new pg.Client({ host, port, user, password, database: 'postgres' })
  made.on('error', () => {})
  await made.connect()
  return made
}

const directoriesOf = async (pid: number | undefined) => (await readdir(tmpdir())).filter((name) => name.startsWith(`tenfold-test-${pid}-`))
const refused = async (address: TestServer['primary']) => await client(address).then(async (made) => { await made.end() }, () => true)

/** A process of its own that asks for the test server, and then does what `then` says. */
function asking(then: string, environment: Record<string, string> = {}) {
  const script = `
    import { testServer } from ${JSON.stringify(new URL('./server.ts', import.meta.url).href)}
    console.log(JSON.stringify(await testServer()))
    ${then}`
  const { TENFOLD_TEST_SERVER: _given, ...rest } = process.env
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...rest, ...environment } })
  return { child, server: async () => JSON.parse(String((await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]))[0])) as TestServer }
}

describe('the test server', () => {
  test('is a primary and a replica that trails it, and leaves nothing behind', async () => {
    const server = await startTestServer({ applyDelayMs: 300 })
    const [primary, replica] = await Promise.all([client(server.primary), client(server.replica)])
    assert.deepEqual((await replica.query(`select pg_is_in_recovery() as standby, current_setting('hot_standby_feedback') as feedback`)).rows, [{ standby: true, feedback: 'on' }])
    assert.equal(await waitFor(async () => (await primary.query(`select 1 from pg_stat_replication where state = 'streaming'`)).rows.length || undefined, { timeoutMs: 5_000 }), 1)
    await primary.query('create table numbers (number int)')
    const seen = () => replica.query('select 1 from numbers').then(() => true, () => undefined)
    assert.equal(await seen(), undefined)
    assert.ok(await waitFor(seen, { timeoutMs: 5_000 }))
    await Promise.all([primary.end(), replica.end()])
    await server.stop()
    assert.deepEqual(await directoriesOf(process.pid), [])
  })

  test('is started once in a process, does not keep it alive, and goes with it', async () => {
    const { child, server } = asking('if (await testServer() !== await testServer()) process.exitCode = 1')
    const { primary, replica } = await server()
    const [code] = await once(child, 'exit') as [number]
    assert.equal(code, 0)
    assert.deepEqual(await directoriesOf(child.pid), [])
    assert.ok(await refused(primary) && await refused(replica))
  })

  test('of a killed process goes too, and the next start sweeps its files', async () => {
    const { child, server } = asking('process.stdin.resume()')
    const { primary, replica } = await server()
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal((await directoriesOf(child.pid)).length, 1)
    assert.ok(await waitFor(async () => await refused(primary) && await refused(replica), { timeoutMs: 3_000 }))
    const next = asking('')
    await next.server()
    await once(next.child, 'exit')
    assert.deepEqual(await directoriesOf(child.pid), [])
  })

  test('is another one where the environment says so', async () => {
    const given = { primary: { host: 'a', port: 1, user: 'u', password: 'p' }, replica: { host: 'b', port: 2, user: 'u', password: 'p' } }
    assert.deepEqual(await asking('', { TENFOLD_TEST_SERVER: JSON.stringify(given) }).server(), given)
    const before = process.env['TENFOLD_TEST_SERVER']
    process.env['TENFOLD_TEST_SERVER'] = '{"primary":'
    try {
      await assert.rejects(testServer(), { code: 'start', message: /^TENFOLD_TEST_SERVER holds no test server: give it/ })
    } finally {
      if (before === undefined) delete process.env['TENFOLD_TEST_SERVER']
      else process.env['TENFOLD_TEST_SERVER'] = before
    }
  })
})
