/** What is wrong with the servers of a topology, each as a sentence with its place and its remedy. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../src/base/index.ts'
import { connectionOf, verifyServers } from '../../src/data/index.ts'
import { startPostgres } from '../../src/ops/rig/postgres.ts'
import { testServer } from '../../src/testing/server.ts'
import { temporaryFolder } from '../support/application.ts'

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

test('a clock that is off, and fewer connections than are needed, are told with their figures', async () => {
  const { primary } = await testServer()
  const [server] = servers(urlOf(primary))
  assert.ok(server)
  const late = { ...systemClock, now: () => systemClock.now() - 61_000 }
  assert.match((await verifyServers([server], late))[0]?.message ?? '', /^has a clock that is 61 s ahead of this machine's: set both by NTP$/)
  const [fault] = await verifyServers([{ ...server, needed: { needed: 100_000, sum: 'many' } }], systemClock)
  assert.match(fault?.message ?? '', /^would have 100000 connections \(many\) and takes \d+: lower data\.pool\.max/)
})
