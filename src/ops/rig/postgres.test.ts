import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { goneWithin, runCommand, signalProcess, waitFor } from '../../base/process.ts'
import { clusterName } from './leftover.ts'
import { type PostgresOptions, type PostgresServer, startPostgres } from './postgres.ts'
import { reaches } from './unprivileged.ts'

const nobody = { uid: 65534, gid: 65534 }
const asRoot = process.getuid?.() !== 0 && 'only root can do this'
const asSomebodyElse = asRoot || (!await reaches(nobody, import.meta.dirname) || !await reaches(nobody, process.execPath)) && 'this clone is closed to other users'
const onLinux = process.platform !== 'linux' && 'only Linux has these'

async function ask(server: Pick<PostgresServer, 'host' | 'port' | 'user' | 'password'>, text: string): Promise<unknown[]> {
  const client = new pg.Client({ host: server.host, port: server.port, user: server.user, password: server.password, database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows.flat()
  } finally {
    await client.end()
  }
}

const start = (directory: string, options: Partial<PostgresOptions> = {}) => startPostgres({ directory, durable: false, settings: { shared_buffers: '16MB' }, ...options })

/** Another process that starts a server on that directory and says what came of it, as JSON. */
function owner(directory: string, identity: { uid?: number; gid?: number } = {}) {
  const script = `
    import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)}
    process.on('SIGINT', () => console.log('"heard"'))
    const { exited, stop, ...about } = await startPostgres({ directory: ${JSON.stringify(directory)}, durable: false }).catch(({ message }) => ({ message }))
    console.log(JSON.stringify(about))
    process.stdin.resume().once('data', () => stop()).once('data', () => process.exit())`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'], detached: true, cwd: '/', ...identity })
  const said = async () => JSON.parse(String((await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]))[0])) as PostgresServer & { message?: string }
  return { child, pid: child.pid as number, said }
}

describe('an embedded Postgres', () => {
  let parent = ''
  let template = ''
  let number = 0
  /** A directory with a database in it, without the second that making one takes. */
  const made = async () => {
    const directory = join(parent, `made${number += 1}`)
    assert.equal((await runCommand('cp', ['-pR', template, directory])).code, 0)
    return directory
  }
  before(async () => {
    parent = await mkdtemp(join(tmpdir(), 'tenfold-postgres-')) // 0700, as a clone below /root is
    template = join(parent, 'template')
    await (await start(template)).stop()
  })
  after(() => rm(parent, { recursive: true, maxRetries: 10 }))

  test('starts in an empty directory, is set for one small machine, and keeps what it was given', async () => {
    const directory = join(parent, 'new')
    const status: string[] = []
    const first = await startPostgres({ directory, onStatus: (text) => status.push(text) })
    assert.deepEqual(status, [`Creating a database in ${directory}`])
    assert.equal(first.directory, directory)
    const names = ['fsync', 'wal_level', 'listen_addresses', 'unix_socket_directories', 'jit', 'TimeZone', 'max_connections', 'shared_buffers', 'server_encoding', 'password_encryption']
    assert.deepEqual(await ask(first, `select ${names.map((name) => `current_setting('${name}')`).join()}`), ['on', 'logical', '127.0.0.1', '', 'off', 'UTC', '100', '128MB', 'UTF8', 'scram-sha-256'])
    assert.deepEqual(await ask(first, `select datlocprovider::text, datlocale from pg_database where datname = 'postgres'`), ['b', 'C.UTF-8'])
    await ask(first, 'create table kept as select 7 as value')
    await ask(first, `alter system set work_mem = '5MB'`)
    await assert.rejects(ask({ ...first, password: 'wrong' }, 'select 1'), { code: '28P01' })
    assert.equal((await stat(join(directory, 'password'))).mode & 0o777, 0o600)
    await Promise.all([first.stop(), first.stop()])
    assert.equal((await first.exited).expected, true)
    assert.equal(await goneWithin(first.pid, 0), true)

    const second = await startPostgres({ directory, password: 'another', settings: { work_mem: '6MB', 'app.name': `it's` }, onStatus: (text) => status.push(text) })
    assert.equal(second.password, 'another')
    assert.deepEqual(await ask(second, `select value, current_setting('work_mem'), current_setting('app.name') from kept`), [7, '5MB', `it's`])
    assert.equal(status.length, 1)
    await second.stop()
    await rm(join(directory, 'password'))
    const third = await startPostgres({ directory })
    assert.deepEqual(await ask(third, 'select value from kept'), [7])
    await third.stop()
    assert.deepEqual((await readdir(directory)).toSorted(), ['cluster', 'password'])
  })

  test('runs as an ordinary user too', { skip: asSomebodyElse }, async () => {
    const directory = await mkdtemp('/var/tmp/tenfold-ordinary-')
    await runCommand('chown', ['65534:65534', directory])
    const { child, said } = owner(join(directory, 'data'), nobody)
    const server = await said()
    assert.equal(server.message, undefined)
    assert.deepEqual(await ask(server, 'select current_setting(\'data_directory\')'), [join(directory, 'data', 'cluster')])
    child.stdin.write('stop')
    await once(child, 'exit')
    const asRootNow = await start(join(directory, 'data')) // by sudo, say: still run by whom it belongs to
    assert.deepEqual(await ask(asRootNow, 'select 1'), [1])
    await asRootNow.stop()
    await rm(directory, { recursive: true })
    const closed = owner(join(parent, 'closed'), nobody)
    assert.match((await closed.said()).message ?? '', /closed to the user 65534: open it, or set TENFOLD_DATA to another directory\.$/)
    closed.child.kill('SIGKILL')
  })

  test('goes within a second when its owner is killed, and starts again at once', async () => {
    const directory = await made()
    const { child, pid, said } = owner(directory)
    const server = await said()
    await assert.rejects(start(directory), { code: 'start', message: `Another process (pid ${pid}) runs the database in ${directory}: stop it, or set TENFOLD_DATA to another directory.` })
    await ask(server, 'create table kept as select 7 as value')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const again = start(directory) // while the old one is still ending
    assert.equal(await goneWithin(server.pid, 1_500), true)
    assert.deepEqual(await ask(await again, 'select value from kept'), [7])
    await (await again).stop()
  })

  test('does not hear Ctrl-C', async () => {
    const { child, pid, said } = owner(await made())
    const server = await said()
    process.kill(-pid, 'SIGINT')
    assert.equal(await said(), 'heard')
    assert.deepEqual(await ask(server, 'select 1'), [1])
    child.stdin.write('stop')
    assert.equal(await goneWithin(server.pid, 5_000), true)
    child.kill('SIGKILL')
  })

  test('takes the place of one that nobody ended', { skip: onLinux }, async () => {
    const directory = await made()
    const { child, said } = owner(directory)
    const server = await said()
    const watchers = (await runCommand('pgrep', ['-s', String(server.pid), '-f', 'farewell'])).output.trim().split('\n').map(Number)
    assert.equal(watchers.length, 1)
    signalProcess(watchers[0] as number, 'SIGKILL')
    child.kill('SIGKILL')
    assert.equal(await goneWithin(server.pid, 100), false)
    const next = await start(directory)
    assert.equal(await goneWithin(server.pid, 0), true)
    await next.stop()
  })

  test('is not kept from starting by a number that now is somebody else\'s', async () => {
    const directory = await made()
    const other = spawn('sleep', ['60'])
    await writeFile(join(directory, 'cluster', 'postmaster.pid'), `${other.pid}\n/elsewhere\n`)
    await (await start(directory)).stop()
    assert.equal(other.exitCode, null)
    other.kill()
  })

  test('tells when it ends by itself, and starts again though its children still work', { skip: onLinux }, async () => {
    const directory = await made()
    const server = await start(directory)
    const busy = ask(server, `do $$ begin loop end loop; end $$`).catch(() => {})
    const worker = await waitFor(async () => Number((await runCommand('pgrep', ['-f', `${clusterName(join(directory, 'cluster'))}.*DO`])).output.trim()) || undefined, { timeoutMs: 5_000 })
    assert.ok(worker)
    process.kill(server.pid, 'SIGKILL')
    assert.equal((await server.exited).expected, false)
    assert.equal(await goneWithin(worker, 0), false)
    const again = await start(directory)
    assert.equal(await goneWithin(worker, 0), true)
    await again.stop()
    await busy
  })

  test('is made wholly or not at all', async () => {
    const directory = join(parent, 'interrupted')
    const { child } = owner(directory)
    const draft = await waitFor(async () => (await readdir(directory).catch(() => [])).find((name) => name.startsWith('cluster-new-')), { timeoutMs: 10_000 })
    await waitFor(() => readFile(join(directory, draft ?? '', 'PG_VERSION')).catch(() => undefined), { timeoutMs: 10_000 })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const server = await start(directory)
    assert.deepEqual(await ask(server, 'select 1'), [1])
    assert.deepEqual((await readdir(directory)).toSorted(), ['cluster', 'owner', 'password'])
    await server.stop()
  })

  test('says what is in its way', async () => {
    const directory = await made()
    const cluster = join(directory, 'cluster')
    const refuses = (message: RegExp, options: Partial<PostgresOptions> = {}) => assert.rejects(start(directory, options), { code: 'start', message })

    const listener = createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    await refuses(new RegExp(`^Port ${port}, which the database is to listen on, is in use: stop what uses it, or choose another\\.$`), { port })
    listener.close()

    await refuses(/^Postgres knows no setting no_such: take it out/, { settings: { no_such: 1 } })
    await refuses(/^Postgres knows no setting no such: take it out/, { settings: { 'no such': 1 } })
    await refuses(/^Postgres refuses the value of the setting shared_buffers: give one/, { settings: { shared_buffers: 'much' } })
    await refuses(/^Postgres refuses the value of the setting max_connections: give one/, { settings: { max_connections: 0 } })
    await refuses(/^The password of the database holds a space/, { password: 'a b' })

    await rename(join(cluster, 'global', 'pg_control'), join(cluster, 'global', 'pg_control.away'))
    await refuses(/^(The database in .* is damaged|Postgres did not start in .*pg_control)/)
    await writeFile(join(cluster, 'PG_VERSION'), '9.6\n')
    await refuses(/^The database in .* was made by Postgres 9\.6, and this is Postgres \d+: run tenfold topology upgrade, or set TENFOLD_DATA to another directory\.$/)
    await rm(join(cluster, 'PG_VERSION'))
    await refuses(/holds something that is not a Postgres database: move it away, or set TENFOLD_DATA/)
    await rm(cluster, { recursive: true })
    await writeFile(join(directory, 'PG_VERSION'), '18\n')
    await refuses(/is itself a Postgres database, and not one that Tenfold made: set TENFOLD_DATA/)
    await writeFile(join(directory, 'file'), '')
    await assert.rejects(start(join(directory, 'file')), { code: 'start', message: /needed as a directory/ })
  })

  const mounted = async (size: string, work: (directory: string) => Promise<void>) => {
    const place = join(parent, `disk${number += 1}`)
    await mkdir(place)
    assert.equal((await runCommand('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tenfold', place])).code, 0)
    try {
      await work(place)
    } finally {
      await runCommand('umount', ['-l', place])
    }
  }
  test('says that its disk is full', { skip: asRoot || onLinux }, async () => {
    const full = { code: 'start', message: /^The disk that holds .* is full: free some space, or set TENFOLD_DATA to another directory\.$/ }
    await mounted('20m', async (place) => { // full in the midst of initdb
      await assert.rejects(start(place), full)
      assert.deepEqual(await readdir(place), ['password'])
    })
    await mounted('100m', async (place) => {
      assert.equal((await runCommand('cp', ['-pR', `${template}/.`, place])).code, 0)
      const { errors } = await runCommand('dd', ['if=/dev/zero', `of=${place}/filler`, 'bs=4k'])
      assert.match(errors, /No space/)
      await assert.rejects(start(place), full)
      await rm(join(place, 'filler'))
      await (await start(place)).stop()
    })
  })
})
