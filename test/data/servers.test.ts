/** What is wrong with the servers of a topology, each as a sentence with its place and its remedy. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { appDefinition, defineApp } from '../../src/app/index.ts'
import { systemClock } from '../../src/base/index.ts'
import { connectionOf, verifyServers } from '../../src/data/index.ts'
import { pgbouncerComponent } from '../../src/ops/rig/components/pgbouncer.ts'
import { primaryComponent } from '../../src/ops/rig/components/primary.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { createRig } from '../../src/ops/rig/rig.ts'
import { applicationRole } from '../../src/runtime/index.ts'
import { openServers } from '../../src/runtime/servers.ts'
import { testServer } from '../../src/testing/server.ts'
import type { WiderTopology } from '../../src/topology/index.ts'
import { temporaryFolder } from '../support/application.ts'
import { lacks } from '../support/engines.ts'

const urlOf = ({ host, port, user, password }: { host: string; port: number; user: string; password: string }, database = 'postgres', query = '') => `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}${query}`
const servers = (primary: string, ...replicas: string[]) => [
  { path: 'data.primary', role: 'primary' as const, connection: connectionOf(primary, 'data.primary') },
  ...replicas.map((url, index) => ({ path: `data.replicas.${index}`, role: 'replica' as const, connection: connectionOf(url, `data.replicas.${index}`) })),
]
const faultsOf = async (...urls: [string, ...string[]]) => (await verifyServers(servers(...urls), systemClock)).map(({ path, message }) => `${path} ${message}`)

test('servers that are what they are taken for have no fault, nor has a replica that is away', async () => {
  const { primary, replica } = await testServer()
  assert.deepEqual(await faultsOf(urlOf(primary), urlOf(replica), urlOf({ ...replica, port: 1 })), [])
})

test('each fault of a server is told: not there, not let in, no such database, no TLS', async () => {
  const { primary } = await testServer()
  for (const [url, wanted] of [
    [urlOf({ ...primary, port: 1 }), /^data\.primary cannot be reached at 127\.0\.0\.1:1 \(ECONNREFUSED\): start it, or correct the address$/],
    [urlOf({ ...primary, host: 'nowhere.invalid' }), /^data\.primary is on a host that has no address \(nowhere\.invalid:\d+\)/],
    [urlOf({ ...primary, password: 'wrong' }), /^data\.primary lets postgres not in at .*: correct the user or its password$/],
    [urlOf(primary, 'nothing'), /^data\.primary has no database nothing at .*: create it, or correct its name$/],
    [urlOf(primary, 'postgres', '?sslmode=verify-full'), /^data\.primary refuses TLS at .*: switch TLS on there, or leave sslmode out$/],
  ] as const) {
    const [fault = '', ...more] = await faultsOf(url)
    assert.match(fault, wanted)
    assert.deepEqual(more, [])
  }
})

test('a replica that is none is told: the primary itself, another cluster\'s; and a primary that is a standby', async (context) => {
  const { primary, replica } = await testServer()
  const directory = await temporaryFolder(context)
  const other = await startPostgres({ directory: join(directory, 'other'), durable: false })
  try {
    assert.deepEqual(await faultsOf(urlOf(primary), urlOf(primary)), ['data.replicas.0 is the primary itself: name a streaming replica, or leave it out'])
    const [foreign = ''] = await faultsOf(urlOf(primary), urlOf(other))
    assert.match(foreign, /^data\.replicas\.0 is a copy of another cluster \(system identifier \d+, and the primary's is \d+\): /)
    assert.match((await faultsOf(urlOf(replica)))[0] ?? '', /^data\.primary is a standby, which takes no writes/)
  } finally {
    await other.stop()
  }
})

/**
 * A real server, but for its word on its version: on the way to us `from` becomes `to`, which is as long. There is no older one to be had here:
 * the oldest that Debian packages is the oldest that is supported, and embedded ones are packages of one platform each, for a number.
 */
async function speakingOf(context: TestContext, { port, host }: { port: number; host: string }, from: string, to: string): Promise<number> {
  const between = createServer((near) => {
    const far = connect(port, host)
    near.pipe(far)
    far.on('data', (part) => near.write(Buffer.from(part.toString('latin1').replaceAll(from, to), 'latin1')))
    for (const [one, other] of [[near, far], [far, near]] as const) one.on('error', () => other.destroy()).on('close', () => other.destroy())
  }).listen(0, '127.0.0.1')
  await once(between, 'listening')
  context.after(() => between.close())
  return (between.address() as AddressInfo).port
}

test('a Postgres that is too old is told, with the version that it needs', async (context) => {
  const { primary, replica } = await testServer()
  const client = new pg.Client({ ...primary, database: 'postgres' })
  await client.connect()
  const { rows: [row] } = await client.query<{ version: string }>(`select current_setting('server_version_num') as version`)
  await client.end()
  const at = async (version: string, server = primary) => ({ ...server, port: await speakingOf(context, server, row?.version ?? '', version) })
  assert.deepEqual(await faultsOf(urlOf(await at('140023'))), ['data.primary is Postgres 14: upgrade it to 15 or newer'])
  assert.deepEqual(await faultsOf(urlOf(primary), urlOf(await at('120022', replica))), ['data.replicas.0 is Postgres 12: upgrade it to 15 or newer'])
  assert.deepEqual(await faultsOf(urlOf(await at('150000'))), [])
})

test('a clock that is off, and fewer connections than are needed, are told with their figures', async () => {
  const { primary } = await testServer()
  const [server] = servers(urlOf(primary))
  assert.ok(server)
  const late = { ...systemClock, now: () => systemClock.now() - 61_000 }
  assert.match((await verifyServers([server], late))[0]?.message ?? '', /^has a clock that is 61 s ahead of this machine's: set both by NTP$/)
  const [fault] = await verifyServers([{ ...server, needed: { needed: 100_000, sum: 'many' } }], systemClock)
  assert.match(fault?.message ?? '', /^would have 100000 connections \(many\) and takes \d+: lower data\.pool\.max/)
})

test('a user who is not let in is told for the primary, and not once more for each replica that is asked as the same', async () => {
  const { primary, replica } = await testServer()
  const wrong = { password: 'wrong' }
  const faults = await faultsOf(urlOf({ ...primary, ...wrong }), urlOf({ ...replica, ...wrong }), urlOf({ ...replica, ...wrong }))
  assert.deepEqual(faults.map((fault) => fault.split(' at ')[0]), ['data.primary lets postgres not in'])
  assert.match((await faultsOf(urlOf(primary), urlOf({ ...replica, ...wrong }))).join('\n'), /^data\.replicas\.0 lets postgres not in at [^\n]*$/)
})

test('a file of certificates that is not there is named', async () => {
  const { primary } = await testServer()
  assert.deepEqual(await faultsOf(urlOf(primary, 'postgres', '?sslmode=require&sslrootcert=/nowhere/ca.pem')), ['data.primary names a file that cannot be read (/nowhere/ca.pem): correct sslrootcert, sslcert or sslkey'])
})

test('a pooler is asked at start as the application, once its role is there: away, shut, or before another server, it is named', { skip: await lacks('pgbouncer') }, async (context) => {
  const directory = await temporaryFolder(context)
  const app = appDefinition(defineApp('empty', { modules: [], routes: [] }))
  const secret = Buffer.alloc(32, 7)
  const roles = [applicationRole(secret)]
  const [primary, other] = ['primary', 'other'].map((name) => ({ ...primaryComponent({ directory: join(directory, name), database: 'shop' }), name }))
  assert.ok(primary && other)
  const rig = await createRig(join(directory, 'rig'), [
    primary, other, pgbouncerComponent('right', { databases: { shop: 'primary' }, database: 'shop', roles, size: 5 }), pgbouncerComponent('astray', { databases: { shop: 'other' }, database: 'shop', roles, size: 5 }),
    pgbouncerComponent('shut', { databases: { shop: 'primary' }, database: 'shop', roles: [{ user: 'tenfold_app', password: 'another' }], size: 5 }),
  ], () => {})
  await rig.up()
  try {
    const file = async (name: string, url: string): Promise<`file:${string}`> => { await writeFile(join(directory, name), url); return `file:${join(directory, name)}` }
    const at = (name: string) => rig.status().find((one) => one.name === name)?.address ?? ''
    const open = async (pooler: string): Promise<string> => {
      const topology: WiderTopology<any> = { stage: 'split', secret: 'env:SECRET', data: { engine: 'postgres', primary: await file('primary-url', urlOf(primary.address(), 'shop')), pool: { max: 2, waitMs: 2_000 }, pooler: { engine: 'pgbouncer', primary: await file('pooler-url', `postgres://${pooler}/shop`) } } }
      return await openServers(topology, { app, secret, status() {} }).then(() => '', (error: Error) => error.message)
    }
    assert.equal(await open(at('right')), '')
    const { host, port, user, password } = other.address()
    const client = new pg.Client({ host, port, user, password, database: 'shop' })
    await client.connect()
    await client.query(`create role tenfold_app login password '${roles[0]?.password}'`)
    await client.end()
    for (const [place, sentence] of [['127.0.0.1:1', /\n {2}data\.pooler\.primary cannot be reached at 127\.0\.0\.1:1 \(ECONNREFUSED\): start it, or correct the address$/], [at('shut'), /\n {2}data\.pooler\.primary lets tenfold_app not in at .*: have it ask the server for passwords/], [at('astray'), /\n {2}data\.pooler\.primary leads to another cluster \(system identifier \d+, and that of data\.primary is \d+\): /]] as const) assert.match(await open(place), sentence)
  } finally {
    await rig.down()
  }
})
